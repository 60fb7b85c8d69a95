#pragma once
/* How often a tool was called, with what success and in what time (docs/tools.md). */

#include "shared/store/store.h"
#include "shared/store/tools/tool_times.h"

#define TOOL_STATS_KEEP_DAYS 400
#define TOOL_STATS_FOLD_ROWS 20000

struct tool_stats_query {
    struct text tool; /* its name */
    int64_t from;     /* unix seconds, at the beginning of an hour or a day */
    int64_t until;
    bool by_day; /* of UTC, else by the hour */
};

/* Of one hour or day. */
struct tool_stats_line {
    int64_t begins; /* unix seconds */
    struct tool_times times;
};

struct tool_stats_lines {
    struct tool_stats_line *items;
    size_t count;
};

/* In the order of time; hours of which nothing is known have no line. */
SUSPENDS MUSTCHECK int tool_stats_read(const struct store *store,
                                       const struct tool_stats_query *query,
                                       struct tool_stats_lines *out, struct error *err);

/* Tools that were called within that time, by their names: TOOL_STATS_LISTED of them. What the
 * query says of one tool and of days is not looked at. */
#define TOOL_STATS_LISTED 1000
struct tool_stats_name {
    struct text tool;
    struct tool_times times;
};

struct tool_stats_names {
    struct tool_stats_name *items;
    size_t count;
};

SUSPENDS MUSTCHECK int tool_stats_list(const struct store *store,
                                       const struct tool_stats_query *query,
                                       struct tool_stats_names *out, struct error *err);

/* Folds what was appended into hours, TOOL_STATS_FOLD_ROWS at once, and forgets what is older than
 * TOOL_STATS_KEEP_DAYS. Any number of schedulers may do it at once. *out_more: there is more. */
SUSPENDS MUSTCHECK int tool_stats_fold(struct pg *pg, bool *out_more, struct error *err);
