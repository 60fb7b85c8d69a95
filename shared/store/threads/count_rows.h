#pragma once
/* Inside the store: counters of threads and runs, and their limits, said once. */

#include "shared/store/rows.h"
#include "shared/store/threads/counts.h"

/* clang-format off */
#define COUNT_COLUMNS(t) t ".message_count, " t ".total_bytes, " t ".token_count"

/* For an UPDATE of `to`: what `from` counts is added, or, with "-", taken away. */
#define SQL_COUNT_CHANGES(to, sign, from) \
    "message_count = " to ".message_count " sign " " from ".message_count," \
    " total_bytes = " to ".total_bytes " sign " " from ".total_bytes," \
    " token_count = " to ".token_count " sign " " from ".token_count"

/* For an UPDATE or INSERT of threads: it is used now. */
#define SQL_USED_HOUR "floor(date_part('epoch', now()) / 3600)::int4"
#define SQL_USED      "last_used_at = now(), used_hour = " SQL_USED_HOUR

/* For an UPDATE of thread `t` that adds messages: its first ones make a title where it has none. */
#define SQL_TITLE(t, made) \
    "title = CASE WHEN " t ".message_count = 0 THEN coalesce(" t ".title, " made ")" \
    " ELSE " t ".title END"

/* What all threads of a person hold. */
#define SQL_USER_BYTES(tenant, user) \
    "penstock_user_bytes(" tenant ", " user ")"

/* Whether `bytes` more may be kept of a person (NULL: nobody). */
#define SQL_USER_FITS(tenant, user, bytes, user_max) \
    "(" user "::text IS NULL OR " SQL_USER_BYTES(tenant, user) " + " bytes " <= " user_max ")"

/* Whether so many bytes more may be kept in thread `t`. */
#define SQL_THREAD_FITS(t, bytes, thread_max, user_max) \
    "(" t ".total_bytes + " bytes " <= " thread_max \
    " AND " SQL_USER_FITS(t ".tenant_id", t ".user_id", bytes, user_max) ")"
/* clang-format on */

/* Reads COUNT_COLUMNS. */
static inline struct message_counts counts_read(struct row *row)
{
    struct message_counts counts = {.messages = row_int(row)};

    counts.bytes = row_int(row);
    counts.tokens = row_int(row);
    return counts;
}

/* NULL: none, which is the largest number there is. */
static inline struct thread_limits limits_or_none(const struct thread_limits *limits)
{
    return limits ? *limits : (struct thread_limits){INT64_MAX, INT64_MAX};
}
