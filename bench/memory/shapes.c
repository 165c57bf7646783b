/* One program of many shapes of memory, for bench/memory/peaks.py and fork.py: `shapes SHAPE MEGABYTES`. Each holds its peak
 * for a moment, so that samples can see it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void hold(long ms) { struct timespec t = {ms / 1000, ms % 1000 * 1000000}; nanosleep(&t, NULL); }

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }

/* Forks and calls exec half a millisecond later. The copy itself writes to the file `times`: seconds that the fork took, seconds from
 * its return in the copy to the call of exec. */
static int fork_exec(const char *times) {
    FILE *file = times ? fopen(times, "w") : NULL;
    struct timespec half = {0, 500000};
    double before = now();
    if (!fork()) {
        double born = now();
        nanosleep(&half, NULL);
        if (file) { fprintf(file, "%.6f %.6f\n", born - before, now() - born); fflush(file); }
        execl("/bin/true", "true", NULL);
        _exit(9);
    }
    wait(NULL);
    return 0;
}

static char *map(size_t bytes, int flags) {
    char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (at == MAP_FAILED) { perror("mmap"); exit(1); }
    return at;
}

static char *fill(size_t bytes, int flags) { return memset(map(bytes, flags), 1, bytes); }

static void *thread(void *bytes) { memset(malloc((size_t)bytes), 1, (size_t)bytes); hold(1500); return NULL; }

static void threads(size_t bytes, int count) {
    pthread_t all[64];
    for (int i = 0; i < count; i++) pthread_create(&all[i], NULL, thread, (void *)(bytes / count));
    for (int i = 0; i < count; i++) pthread_join(all[i], NULL);
}

/* Children that each do a part; `what` is given its number. */
static void children(int count, void (*what)(int, size_t, char *), size_t bytes, char *at) {
    for (int i = 0; i < count; i++) if (!fork()) { what(i, bytes, at); hold(1500); _exit(0); }
    while (wait(NULL) > 0) {}
}

static void own(int number, size_t bytes, char *at) { (void)number; (void)at; fill(bytes, MAP_PRIVATE | MAP_ANONYMOUS); }
static void read_all(int number, size_t bytes, char *at) { (void)number; volatile char sum = 0; for (size_t i = 0; i < bytes; i += 4096) sum += at[i]; }
static void write_half(int number, size_t bytes, char *at) { (void)number; memset(at, 2, bytes / 2); }
static void nothing(int number, size_t bytes, char *at) { (void)number; (void)bytes; (void)at; }

static void chain(int depth, size_t bytes) {
    fill(bytes, MAP_PRIVATE | MAP_ANONYMOUS);
    if (depth > 1 && !fork()) { chain(depth - 1, bytes); _exit(0); }
    hold(1500);
    while (wait(NULL) > 0) {}
}

static void file(size_t bytes, int mapped) {
    char name[] = "/tmp/pial-shapes-XXXXXX";
    int f = mkstemp(name);
    unlink(name);
    static char block[1 << 20];
    memset(block, 1, sizeof block);
    for (size_t i = 0; i < bytes; i += sizeof block) if (write(f, block, sizeof block) < 0) exit(1);
    if (mapped) { char *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, f, 0); read_all(0, bytes, at); }
    hold(300);
}

int main(int count, char **words) {
    if (count < 3) return 2;
    char *shape = words[1];
    size_t bytes = (size_t)atol(words[2]) << 20;
    int private = MAP_PRIVATE | MAP_ANONYMOUS, shared = MAP_SHARED | MAP_ANONYMOUS;
    if (!strcmp(shape, "malloc")) memset(malloc(bytes), 1, bytes);
    else if (!strcmp(shape, "small")) for (size_t i = 0; i < bytes; i += 1024) memset(malloc(1008), 1, 1008);
    else if (!strcmp(shape, "mmap")) fill(bytes, private);
    else if (!strcmp(shape, "untouched")) { map(4 * bytes, private); fill(bytes, private); }
    else if (!strcmp(shape, "nohuge")) { char *at = map(bytes, private); madvise(at, bytes, MADV_NOHUGEPAGE); memset(at, 1, bytes); }
    else if (!strcmp(shape, "huge")) { char *at = map(bytes + (2 << 20), private); madvise(at, bytes, MADV_HUGEPAGE); memset(at, 1, bytes); }
    else if (!strcmp(shape, "shared")) fill(bytes, shared);
    else if (!strcmp(shape, "memfd")) { int f = memfd_create("x", 0); if (ftruncate(f, bytes)) return 1; memset(mmap(NULL, bytes, 3, MAP_SHARED, f, 0), 1, bytes); }
    else if (!strcmp(shape, "threads")) threads(bytes, 8);
    else if (!strcmp(shape, "threads64")) threads(bytes, 64);
    else if (!strcmp(shape, "grow-free")) { char *at = fill(bytes, private); hold(300); munmap(at, bytes); }
    else if (!strcmp(shape, "realloc")) { char *at = NULL; for (size_t n = 16 << 20; n <= bytes; n += 16 << 20) { at = realloc(at, n); memset(at, 1, n); } }
    else if (!strcmp(shape, "forks")) children(4, own, bytes / 4, NULL);
    else if (!strcmp(shape, "forks-shared")) children(4, read_all, bytes, fill(bytes, shared));
    else if (!strcmp(shape, "forks-cow")) children(4, nothing, bytes, fill(bytes, private));
    else if (!strcmp(shape, "forks-half")) children(2, write_half, bytes / 2, fill(bytes / 2, private));
    else if (!strcmp(shape, "chain")) chain(8, bytes / 8);
    else if (!strcmp(shape, "exec")) { if (count < 4) { fill(bytes / 2, private); hold(200); execl("/proc/self/exe", "shapes", "malloc", words[2], NULL); } }
    else if (!strcmp(shape, "file")) { fill(bytes, private); file(bytes / 2, 0); }
    else if (!strcmp(shape, "file-mapped")) { fill(bytes, private); file(bytes / 2, 1); }
    else if (!strcmp(shape, "spike")) { char *at = map((size_t)1 << 30, private); at[0] = 1; munmap(at, (size_t)1 << 30); return 0; }
    else if (!strcmp(shape, "fork-exec")) {
        fill(bytes, private);
        hold(50 + getpid() % 20);
        fork_exec(count > 3 ? words[3] : NULL);
        hold(20);
        return 0;
    } else return 2;
    hold(300);
    return 0;
}
