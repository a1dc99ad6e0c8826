/* Reports which process removes a socket file. This library is preloaded into the server and replaces
 * unlink() and unlinkat(). They remove the file as usual. If its name ends in .sock, they also write a
 * line of JSON to standard error: time, process, thread and errno. They make the system call directly,
 * so they do not depend on the libc of the image. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_socket_path(const char *path) {
    size_t length = path ? strlen(path) : 0;
    return length > 5 && strcmp(path + length - 5, ".sock") == 0;
}

static int removed(int directory, const char *path, int flags) {
    struct timespec now;
    char line[640];
    clock_gettime(CLOCK_REALTIME, &now);
    int result = (int)syscall(SYS_unlinkat, directory, path, flags);
    int error = result == 0 ? 0 : errno;
    if (is_socket_path(path)) {
        int size = snprintf(line, sizeof line,
                            "{\"witness\": \"unlink\", \"t_ns\": %lld, \"pid\": %d, \"tid\": %ld, "
                            "\"ppid\": %d, \"errno\": %d, \"path\": \"%.400s\"}\n",
                            (long long)now.tv_sec * 1000000000LL + now.tv_nsec, (int)getpid(),
                            syscall(SYS_gettid), (int)getppid(), error, path);
        if (size > 0 && write(STDERR_FILENO, line, (size_t)size) < 0) {
            /* Ignore a failed write: the result of the removal must not change. */
        }
    }
    errno = error;
    return result;
}

int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }

int unlinkat(int directory, const char *path, int flags) { return removed(directory, path, flags); }
