/* Buckets of times. */

#include "shared/store/tools/tool_times.h"

static const int64_t bounds[] = {TOOL_TIME_BOUNDS};

_Static_assert(ARRAY_LENGTH(bounds) == TOOL_TIME_BUCKETS - 1, "the last bucket has no end");

void tool_times_add(struct tool_times *times, const struct tool_times_row *row)
{
    times->calls += row->calls;
    times->errors += row->errors;
    times->took_ms += row->took_ms;
    if (row->max_ms > times->max_ms)
        times->max_ms = row->max_ms;
    if (row->bucket >= 0 && row->bucket < TOOL_TIME_BUCKETS)
        times->in_bucket[row->bucket] += row->calls;
    else
        times->unknown += row->calls;
}

void tool_times_add_all(struct tool_times *times, const struct tool_times *more)
{
    times->calls += more->calls;
    times->errors += more->errors;
    times->unknown += more->unknown;
    times->took_ms += more->took_ms;
    if (more->max_ms > times->max_ms)
        times->max_ms = more->max_ms;
    for (size_t i = 0; i < TOOL_TIME_BUCKETS; i++)
        times->in_bucket[i] += more->in_bucket[i];
}

/* No call took longer than the longest one. */
static int64_t end_of(const struct tool_times *times, size_t bucket)
{
    if (bucket + 1 < TOOL_TIME_BUCKETS && bounds[bucket] < times->max_ms)
        return bounds[bucket];
    return times->max_ms;
}

int64_t tool_times_percentile(const struct tool_times *times, int percent)
{
    int64_t known = times->calls - times->unknown;
    double rank = (double)known * percent / 100;
    double before = 0;

    for (size_t i = 0; i < TOOL_TIME_BUCKETS; i++) {
        double count = (double)times->in_bucket[i];
        int64_t begin = i > 0 ? bounds[i - 1] : 0;
        int64_t end = end_of(times, i);

        if (count > 0 && before + count >= rank)
            return begin + (int64_t)((double)(end - begin) * (rank - before) / count);
        before += count;
    }
    return -1;
}

int64_t tool_times_mean(const struct tool_times *times)
{
    int64_t known = times->calls - times->unknown;

    return known > 0 ? times->took_ms / known : -1;
}
