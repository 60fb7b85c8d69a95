#pragma once
/* Schedules as the API sees them. What a scheduler does with them is in schedule_clock.h.
 *
 *   active ◄──► paused      a person, a deleted agent, too many failures in a row
 *      └──► ended           no time is left
 *
 * `turn` counts what changed what is to fire: who read a schedule and writes it says which one he
 * read, and writes nothing where it is another one by now.
 */

#include "shared/store/store.h"

#define SCHEDULE_NAME_MAX 256 /* characters */

enum schedule_overlap {
    OVERLAP_SKIP,
    OVERLAP_QUEUE,
    OVERLAP_CANCEL,
    OVERLAP_COUNT,
};

enum schedule_catch_up {
    CATCH_UP_NONE,
    CATCH_UP_LATEST,
    CATCH_UP_ALL,
    CATCH_UP_COUNT,
};

enum schedule_state {
    SCHEDULE_ACTIVE,
    SCHEDULE_PAUSED,
    SCHEDULE_ENDED,
    SCHEDULE_STATE_COUNT,
};

/* Ended by NULL, in the order of the enums. */
extern const char *const schedule_overlaps[];
extern const char *const schedule_catch_ups[];
extern const char *const schedule_states[];

/* The place of a word in such a list, which has it. */
int schedule_word(const char *const *words, struct text word);

struct schedule {
    struct uuid id;
    struct uuid tenant;
    struct uuid agent;
    struct text name;  /* TEXT_NONE: none */
    struct text cron;  /* one of these three */
    int64_t every_s;   /* 0: not by an interval */
    int64_t run_at;    /* 0: not once */
    struct text zone;  /* of IANA */
    int64_t starts_at; /* 0: at once */
    int64_t ends_at;   /* 0: never */
    int64_t jitter_s;  /* how far its times are spread */
    enum schedule_overlap overlap;
    enum schedule_catch_up catch_up;
    int64_t window_s;      /* what is older is missed, and is not tried any more */
    bool lasting;          /* one thread for all of its runs */
    struct uuid thread;    /* zero: the first run makes it */
    bool thread_made;      /* a run did */
    bool compacts;         /* a thread that is full is compacted; false: another one follows */
    int64_t max_failures;  /* in a row, then it is paused; 0: never */
    struct text user;      /* whose it is; TEXT_NONE: nobody's */
    struct text request;   /* JSON object: what each run is asked with */
    struct text metadata;  /* JSON object */
    struct text retention; /* of its threads, as JSON; TEXT_NONE: nothing is said */
    enum schedule_state state;
    struct text pause_code; /* of a paused one: "requested", "failures", … */
    struct text pause_message;
    int64_t next; /* the time that fires next; 0: none is left */
    int64_t due;  /* when it does */
    int64_t turn;
    int64_t fired;
    int64_t failures; /* in a row */
    int64_t last_fire;
    struct uuid last_run; /* that ended; zero: none */
    struct text last_outcome;
    struct uuid last_completed; /* the last run that was completed */
    int64_t created_at;
    int64_t updated_at;
    int64_t read_at; /* by the database's clock, which it fires by */
};

struct schedule_list {
    struct schedule *items;
    size_t count;
    bool has_more;
};

/* What time it is where schedules fire. Clocks of schedulers differ from that. */
SUSPENDS MUSTCHECK int schedules_now(const struct store *store, int64_t *out_s, struct error *err);

/* Its id, and all but what is counted and `turn`. SCHEDULES_FULL: the tenant has `max` of them.
 * -E_CONFLICT: the id or the name is taken. */
SUSPENDS MUSTCHECK int schedule_create(const struct store *store, const struct schedule *schedule,
                                       int64_t max, struct schedule *out, struct error *err);

/* SCHEDULE_MISSING. */
SUSPENDS MUSTCHECK int schedule_get(const struct store *store, struct uuid id, struct schedule *out,
                                    struct error *err);

/* SCHEDULE_MISSING. */
SUSPENDS MUSTCHECK int schedule_find(const struct store *store, struct text name,
                                     struct schedule *out, struct error *err);

struct schedule_filter {
    struct uuid agent;    /* zero: any */
    struct text user;     /* TEXT_NONE: any */
    struct text state;    /* TEXT_NONE: any */
    struct text name;     /* TEXT_NONE: any */
    struct text metadata; /* JSON object, of which they have all; TEXT_NONE: any */
};

SUSPENDS MUSTCHECK int schedule_list(const struct store *store,
                                     const struct schedule_filter *filter, const struct page *page,
                                     struct schedule_list *out, struct error *err);

/* What it is from now on, but for what is counted. SCHEDULE_MOVED: it has another turn than
 * schedule->turn, or is not there: nothing was written. -E_CONFLICT: the name is taken. */
SUSPENDS MUSTCHECK int schedule_put(const struct store *store, const struct schedule *schedule,
                                    struct schedule *out, struct error *err);

/* With what is known of its firings; their runs go on. SCHEDULE_MISSING. */
SUSPENDS MUSTCHECK int schedule_delete(const struct store *store, struct uuid id,
                                       struct error *err);

/* Deletes some of a user's. *out_count: how many. */
SUSPENDS MUSTCHECK int schedules_delete_of_user(const struct store *store, struct text user,
                                                int64_t *out_count, struct error *err);
