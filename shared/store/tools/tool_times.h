#pragma once
/* How calls of tools are counted: by tenant, tool and hour, in buckets of the time that they took.
 * Pure.
 *
 * Whatever ends calls appends rows to tool_deltas by the statement that does it; tool_stats.h folds
 * these and reads what they come to. So nobody waits for a row that others write, and the calls of
 * a write that a fence holds back are not counted. */

#include "shared/base/compiler.h"

/* The ends of the buckets, in ms; the last bucket has none. */
#define TOOL_TIME_BOUNDS                                                                           \
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 3600000
#define TOOL_TIME_BUCKETS 18

/* Calls of some time. */
struct tool_times {
    int64_t calls;   /* in all */
    int64_t errors;  /* of them */
    int64_t unknown; /* of them: nobody knows their end. They are errors, too, and took no time */
    int64_t took_ms; /* all together */
    int64_t max_ms;
    int64_t in_bucket[TOOL_TIME_BUCKETS];
};

/* Adds what stands in a row of the table. */
struct tool_times_row {
    int64_t bucket; /* -1: unknown */
    int64_t calls;
    int64_t errors;
    int64_t took_ms;
    int64_t max_ms;
};
void tool_times_add(struct tool_times *times, const struct tool_times_row *row);
void tool_times_add_all(struct tool_times *times, const struct tool_times *more);

/* The time within which so many percent of the calls were over, whose end is known: between the
 * ends of its bucket as if those in it were spread evenly. -1: there are none. */
int64_t tool_times_percentile(const struct tool_times *times, int percent);
int64_t tool_times_mean(const struct tool_times *times); /* the same */

/* Inside the store: an INSERT that counts the rows of `from`, which have columns tenant_id, name,
 * state, is_error and took_ms; those of them that `from` says. */
/* clang-format off */
#define TOOL_TIMES_WORDS_(...) #__VA_ARGS__
#define TOOL_TIMES_WORDS(...) TOOL_TIMES_WORDS_(__VA_ARGS__)
#define SQL_COUNT_CALLS(from) \
    "INSERT INTO tool_deltas (tenant_id, tool, bucket, calls, errors, took_ms, max_ms)" \
    " SELECT e.tenant_id, e.name, e.bucket, count(*), count(*) FILTER (WHERE e.is_error)," \
    "     coalesce(sum(e.took_ms), 0), coalesce(max(e.took_ms), 0)" \
    " FROM (" \
    "     SELECT k.*," \
    "         CASE WHEN k.state = 'unknown' THEN -1" \
    "             ELSE width_bucket(k.took_ms," \
    "                 '{" TOOL_TIMES_WORDS(TOOL_TIME_BOUNDS) "}'::int8[]) END AS bucket" \
    "     FROM (" from ") k) e" \
    " GROUP BY e.tenant_id, e.name, e.bucket"
/* clang-format on */
