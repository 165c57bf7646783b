/* tick: the step of the growth experiment. Appends the time (CLOCK_MONOTONIC, seconds) as one line to the file $TICKS and
   ends, or stays for ever when $HOLD is set. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    char line[64];
    struct timespec t;
    const char *path = getenv("TICKS");
    int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0644) : -1;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int length = snprintf(line, sizeof line, "%lld.%09ld\n", (long long)t.tv_sec, t.tv_nsec);
    if (file < 0 || write(file, line, (size_t)length) != length) return 1;
    if (getenv("HOLD")) for (;;) pause();
    return 0;
}
