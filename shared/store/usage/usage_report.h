#pragma once
/* What a tenant used, by the hour or by the day, whole or in parts (docs/usage.md). */

#include "shared/store/usage/usage.h"

/* What it may be taken apart by, as bits of a set. */
enum usage_part {
    USAGE_BY_AGENT = 1,
    USAGE_BY_USER = 2,
    USAGE_BY_PROVIDER = 4,
    USAGE_BY_MODEL = 8,
};

struct usage_query {
    int64_t from; /* unix seconds, at the beginning of an hour or a day */
    int64_t until;
    bool by_day;    /* of UTC, else by the hour */
    unsigned parts; /* a set of enum usage_part */
    bool of_agent;  /* of `agent` alone, which is zero for what no agent used */
    struct uuid agent;
    struct text user;     /* of this user alone, empty for what nobody's was; TEXT_NONE: any */
    struct text provider; /* TEXT_NONE: any, as of model */
    struct text model;
};

/* Of one hour or day. What it is not taken apart by is zero or empty. */
struct usage_line {
    int64_t begins; /* unix seconds */
    struct uuid agent;
    struct text user;
    struct text provider;
    struct text model;
    int64_t calls;
    struct usage used;
};

struct usage_lines {
    struct usage_line *items;
    size_t count;
    bool has_more; /* there are others: the last hour or day may not be complete */
};

#define USAGE_LINES_MAX 10000

/* In the order of time, and what cost most first; USAGE_LINES_MAX at most. Hours of which nothing
 * is known have no line. */
SUSPENDS MUSTCHECK int usage_report(const struct store *store, const struct usage_query *query,
                                    struct usage_lines *out, struct error *err);
