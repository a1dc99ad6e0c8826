/* Watches a directory from outside the server. For each socket file that appears or disappears it prints
 * a line of JSON with the time. It cannot see which process made the change. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

static void report(const char *what, const char *name) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    printf("{\"witness\": \"watch\", \"t_ns\": %lld, \"event\": \"%s\", \"name\": \"%.255s\"}\n",
           (long long)now.tv_sec * 1000000000LL + now.tv_nsec, what, name);
    fflush(stdout);
}

int main(int count, char **arguments) {
    char buffer[64 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
        __attribute__((aligned(__alignof__(struct inotify_event))));
    const char *directory = count > 1 ? arguments[1] : "/tmp";
    int watch = inotify_init();
    if (watch < 0 || inotify_add_watch(watch, directory,
                                       IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO) < 0) {
        perror(directory);
        return 1;
    }
    report("watching", directory);
    for (;;) {
        ssize_t size = read(watch, buffer, sizeof buffer);
        if (size <= 0) {
            perror("read");
            return 1;
        }
        for (char *at = buffer; at < buffer + size;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            if (event->mask & IN_Q_OVERFLOW) report("overflow", "");
            if (event->len && strstr(event->name, ".sock"))
                report(event->mask & (IN_CREATE | IN_MOVED_TO) ? "appeared" : "gone", event->name);
            at += sizeof *event + event->len;
        }
    }
}
