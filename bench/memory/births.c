/* births: runs one command and writes, for every process that is born in its tree, how much of its parent was copied
   at that moment, before the child ran its first instruction; knows nothing of what it runs.

   usage: births FILE COMMAND [ARGUMENT...]     one JSON line per event goes to FILE; its exit code is the command's

   The kernel stops the parent at fork, vfork and clone, when the child exists and has not run yet (ptrace; no system
   call is traced). A copy that lives for a microsecond is seen like one that stays. Figures are in bytes:

   vm_bytes        VmSize of the child: its address space (0 where the child runs inside its parent's)
   private_bytes   sizes of its private writable mappings: what forbidden overcommitting charges, touched or not
   committed_bytes Committed_AS of the whole machine at that moment
   vm_peak_bytes, rss_peak_bytes   VmPeak and VmHWM at the end of a process, of what it executed last
   t_s             CLOCK_MONOTONIC, with the tracer's own stops in it: good for order, not for durations */

#define _GNU_SOURCE
#include <errno.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static FILE *out;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The number behind `key` in a file of "key: number" lines; -1 when the file or the key is not there. */
static long long figure(const char *path, const char *key) {
    char line[512];
    long long value = -1;
    size_t length = strlen(key);
    FILE *file = fopen(path, "r");
    while (file && value < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, length) == 0) value = atoll(line + length);
    if (file) fclose(file);
    return value;
}

static long long of_process(pid_t pid, const char *key) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    return figure(path, key);
}

static long long kib(long long value) { return value < 0 ? 0 : value * 1024; }

static long long private_writable(pid_t pid) {
    char path[64], line[4096], rights[8];
    unsigned long long from, to;
    long long sum = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "%llx-%llx %7s", &from, &to, rights) == 3 && rights[1] == 'w' && rights[3] == 'p')
            sum += (long long)(to - from);
    if (file) fclose(file);
    return sum;
}

static long long committed(void) { return kib(figure("/proc/meminfo", "Committed_AS:")); }

static void command_of(pid_t pid, char *text, size_t room) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, room - 1, file) : 0;
    if (file) fclose(file);
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] == '"' || text[i] == '\\' || text[i] > '~') text[i] = ' ';
    text[length] = 0;
}

/* A child's first stop may be told before its parent's: no child goes on before its birth was written down. */
#define PIDS 4194304 /* the kernel's PID_MAX_LIMIT */
static enum { UNKNOWN, WRITTEN, WAITS, RUNS } state[PIDS];

static void first_stop(pid_t pid) {
    if (state[pid] == UNKNOWN) {
        state[pid] = WAITS;
        return;
    }
    state[pid] = RUNS; /* as do those whose group stop ends, which is told in the same way */
    ptrace(PTRACE_CONT, pid, 0, 0);
}

static void birth(pid_t parent, pid_t pid, int event) {
    if (of_process(pid, "Tgid:") != pid) return; /* a thread */
    int shares = syscall(SYS_kcmp, parent, pid, KCMP_VM, 0, 0) == 0;
    const char *how = event == PTRACE_EVENT_FORK ? "fork" : event == PTRACE_EVENT_VFORK ? "vfork" : "clone";
    fprintf(out, "{\"event\":\"birth\",\"t_s\":%.6f,\"pid\":%d,\"parent\":%lld,\"how\":\"%s\",\"shares\":%s,"
            "\"vm_bytes\":%lld,\"private_bytes\":%lld,\"parent_vm_bytes\":%lld,\"committed_bytes\":%lld}\n",
            now(), pid, of_process(parent, "Tgid:"), how, shares ? "true" : "false",
            shares ? 0 : kib(of_process(pid, "VmSize:")), shares ? 0 : private_writable(pid),
            kib(of_process(parent, "VmSize:")), committed());
}

static void born(pid_t parent, int event) {
    unsigned long child = 0;
    ptrace(PTRACE_GETEVENTMSG, parent, 0, &child);
    birth(parent, (pid_t)child, event);
    int waits = state[child] == WAITS;
    state[child] = WRITTEN;
    if (waits) first_stop((pid_t)child);
}

static void executed(pid_t pid) {
    char text[200];
    command_of(pid, text, sizeof text);
    fprintf(out, "{\"event\":\"exec\",\"t_s\":%.6f,\"pid\":%d,\"command\":\"%s\"}\n", now(), pid, text);
}

static void ends(pid_t pid) {
    if (of_process(pid, "Tgid:") != pid) return;
    fprintf(out, "{\"event\":\"exit\",\"t_s\":%.6f,\"pid\":%d,\"vm_peak_bytes\":%lld,\"rss_peak_bytes\":%lld,"
            "\"private_bytes\":%lld,\"committed_bytes\":%lld}\n", now(), pid, kib(of_process(pid, "VmPeak:")),
            kib(of_process(pid, "VmHWM:")), private_writable(pid), committed());
}

/* One stop of one thread: written down, and the thread sent on its way. */
static void go_on(pid_t pid, int status) {
    int event = status >> 16, sent = WSTOPSIG(status);
    switch (event) {
    case PTRACE_EVENT_FORK: case PTRACE_EVENT_VFORK: case PTRACE_EVENT_CLONE: born(pid, event); sent = 0; break;
    case PTRACE_EVENT_EXEC: executed(pid); sent = 0; break;
    case PTRACE_EVENT_EXIT: ends(pid); sent = 0; break;
    case PTRACE_EVENT_STOP:
        if (sent == SIGTRAP) first_stop(pid);
        else ptrace(PTRACE_LISTEN, pid, 0, 0); /* stopped by a signal, and to stay so */
        return;
    }
    ptrace(PTRACE_CONT, pid, 0, (long)sent);
}

int main(int argc, char **argv) {
    if (argc < 3 || !(out = fopen(argv[1], "we"))) {
        fprintf(stderr, "usage: births FILE COMMAND [ARGUMENT...]\n");
        return 2;
    }
    int status, code = 2;
    pid_t command = fork();
    if (command == 0) {
        raise(SIGSTOP);
        execvp(argv[2], argv + 2);
        fprintf(stderr, "births: cannot start %s: %s\n", argv[2], strerror(errno));
        _exit(127);
    }
    waitpid(command, &status, WUNTRACED);
    long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                   PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, command, 0, options) != 0) {
        fprintf(stderr, "births: the kernel refuses ptrace here: %s\n", strerror(errno));
        kill(command, SIGKILL);
        return 3;
    }
    state[command] = RUNS;
    kill(command, SIGCONT);
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
        if (pid > 0 && WIFSTOPPED(status)) {
            go_on(pid, status);
            continue;
        }
        if (pid > 0) state[pid] = UNKNOWN; /* its number may come again */
        if (pid == command) code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    fclose(out);
    return code;
}
