#pragma once
/* What became of the times of schedules.
 *
 *   due ──────► started ──► ended     with an outcome, which is what became of its run
 *    ▲ └──────► failed                its run could not be made
 *   waiting                           until what is at work has ended
 *   skipped, missed                   never anything else
 *
 * A firing and its run have the same id.
 */

#include "shared/store/store.h"

enum firing_cause {
    CAUSE_TIME,
    CAUSE_CATCH_UP, /* later than it should be: nobody was there at its time */
    CAUSE_BACKFILL,
    CAUSE_MANUAL,
    CAUSE_COUNT,
};

enum firing_state {
    FIRING_DUE,
    FIRING_WAITING,
    FIRING_STARTED,
    FIRING_ENDED,
    FIRING_SKIPPED,
    FIRING_MISSED,
    FIRING_FAILED,
    FIRING_STATE_COUNT,
};

/* Ended by NULL. */
extern const char *const firing_causes[];
extern const char *const firing_states[];

struct firing {
    struct uuid id;
    struct uuid schedule;
    struct uuid tenant;
    enum firing_cause cause;
    int64_t nominal;
    int64_t until; /* of some that were missed: the last one; 0: it is one */
    int64_t times;
    enum firing_state state;
    struct text detail; /* TEXT_NONE: nothing more is to be said */
    int64_t tries;
    int64_t created_at;
    int64_t started_at;
    int64_t ended_at;
    struct text outcome; /* the last status of its run, or "deleted"; TEXT_NONE: none yet */
};

struct firing_list {
    struct firing *items;
    size_t count;
    bool has_more;
};

/* An unknown schedule has none. */
SUSPENDS MUSTCHECK int firing_list(const struct store *store, struct uuid schedule,
                                   const struct page *page, struct firing_list *out,
                                   struct error *err);

/* FIRING_MISSING. */
SUSPENDS MUSTCHECK int firing_get(const struct store *store, struct uuid schedule, struct uuid id,
                                  struct firing *out, struct error *err);
