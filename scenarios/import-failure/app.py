"""What the container serves: the pid of the worker. APPLICATION says whether gunicorn can load it.

raises    the import of this module raises an error
missing   the module has no application
works     it has one
"""

import os

APPLICATION = os.environ["APPLICATION"]

if APPLICATION != "works":
    print("cannot be loaded in", os.getpid(), flush=True)
if APPLICATION == "raises":
    raise RuntimeError("the application cannot be imported")
if APPLICATION == "works":

    def app(environ, start_response):
        """Answer with the worker's pid."""
        body = b"%d" % os.getpid()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]
