/* Times and durations for people. */

#include "scheduler/cli/display/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void when_format(int64_t unix_seconds, bool with_seconds, char out[WHEN_SIZE])
{
    time_t time = (time_t)unix_seconds;
    struct tm local;
    long offset;
    size_t len;

    (void)snprintf(out, WHEN_SIZE, "-");
    if (unix_seconds <= 0 || !localtime_r(&time, &local))
        return;
    len =
        strftime(out, WHEN_SIZE - 6, with_seconds ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M", &local);
    offset = local.tm_gmtoff / 60;
    (void)snprintf(out + len, WHEN_SIZE - len, "%c%02ld:%02ld", offset < 0 ? '-' : '+',
                   labs(offset) / 60 % 100, labs(offset) % 60);
}

void when_format_span(int64_t seconds, char out[WHEN_SIZE])
{
    const int64_t minute = 60, hour = 60 * minute, day = 24 * hour;

    if (seconds < 0)
        (void)snprintf(out, WHEN_SIZE, "-");
    else if (seconds < minute)
        (void)snprintf(out, WHEN_SIZE, "%" PRId64 "s", seconds);
    else if (seconds < hour)
        (void)snprintf(out, WHEN_SIZE, "%" PRId64 "m%02" PRId64 "s", seconds / minute,
                       seconds % minute);
    else if (seconds < day)
        (void)snprintf(out, WHEN_SIZE, "%" PRId64 "h%02" PRId64 "m", seconds / hour,
                       seconds % hour / minute);
    else
        (void)snprintf(out, WHEN_SIZE, "%" PRId64 "d%02" PRId64 "h", seconds / day,
                       seconds % day / hour);
}
