/* A Python module that reports whether the interpreter's lock (GIL) is initialised, and does not initialise it itself.
   (ctypes could call the same function, but before Python 3.7 the import of ctypes initialises the lock.) */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *initialised(PyObject *self, PyObject *unused) {
    (void)self;
    (void)unused;
#if PY_VERSION_HEX < 0x030d0000
    return PyBool_FromLong(PyEval_ThreadsInitialized());
#else
    Py_RETURN_NONE;
#endif
}

static PyMethodDef methods[] = {
    {"initialised", initialised, METH_NOARGS, "Whether the lock is there; None where it is not told (from 3.13 on)."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "gil", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_gil(void) { return PyModule_Create(&module); }
