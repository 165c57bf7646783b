/* launch: runs one command and writes its wall time, the CPU time of its whole tree and the peak of its largest
   process as one JSON line; knows nothing of what it runs.

   usage: launch FD COMMAND [ARGUMENT...]        the line goes to the open file descriptor FD

   Why not from Python: a child's ru_maxrss starts at the peak of the process that started it, so every command
   launched by a 10 MB interpreter would seem to need 10 MB. This program's own peak is under 1 MB.

   It is a subreaper: what the command leaves behind (a guardian, a daemon) becomes its child, is waited for up to
   5 s, and its CPU time is counted. The wall time ends with the command itself. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define LINGER_S 5.0

extern char **environ;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

/* Waits for whatever the command left; 1 when something is still alive after LINGER_S. */
static int drain(double since) {
    const struct timespec pause = {0, 1000000};
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0 && errno == ECHILD) return 0;
        if (pid == 0 && now() - since > LINGER_S) return 1;
        if (pid == 0) nanosleep(&pause, NULL);
    }
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: launch FD COMMAND [ARGUMENT...]\n");
        return 2;
    }
    int out = atoi(argv[1]), status = 0, error;
    fcntl(out, F_SETFD, FD_CLOEXEC);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

    pid_t command, pid;
    double start = now();
    if ((error = posix_spawnp(&command, argv[2], NULL, NULL, argv + 2, environ)) != 0) {
        fprintf(stderr, "cannot start %s: %s\n", argv[2], strerror(error));
        return 2;
    }
    while ((pid = waitpid(-1, &status, 0)) != command)
        if (pid < 0 && errno != EINTR) return 2;
    double end = now();
    int alive = drain(end);
    double gone = now();

    struct rusage tree;
    getrusage(RUSAGE_CHILDREN, &tree);
    dprintf(out, "{\"exit_code\":%d,\"wall_s\":%.6f,\"user_s\":%.6f,\"system_s\":%.6f,\"peak_bytes\":%lld,"
            "\"lingered_s\":%.6f,\"left_alive\":%s}\n",
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), end - start, seconds(tree.ru_utime),
            seconds(tree.ru_stime), (long long)tree.ru_maxrss * 1024, gone - end, alive ? "true" : "false");
    return 0;
}
