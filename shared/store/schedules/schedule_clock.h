#pragma once
/* A scheduler's work on schedules: what is due becomes firings, firings become runs, and what
 * became of those is noted. Any number of schedulers do it at once, and any may die at any moment:
 * a schedule moves on and gets its firings by one statement, while its turn is as it was read; a
 * firing is taken for a while, and its run has its id, so that whoever takes it again makes nothing
 * twice. No statement here waits for a schedule that somebody else has locked, but for the few that
 * note something which only their caller knows.
 */

#include "shared/store/schedules/firings.h"
#include "shared/store/schedules/schedules.h"

#define FIRINGS_TAKEN_MS   30000
#define FIRINGS_TAKE_MAX   128
#define FIRINGS_TAKE_BYTES 8000000 /* of what runs are asked with, about */
#define FIRINGS_COUNTED    10000
#define FIRINGS_SETTLE_MAX 500
#define SCHEDULES_DUE_MAX  256

/* What a schedule has at work, by the database's clock. */
struct schedule_standing {
    int64_t now_s;
    struct uuid in_way;          /* a firing that is due or whose run is at work; zero: none */
    enum firing_cause in_way_by; /* what it came from */
    int64_t waiting;             /* firings of its times or by hand that wait */
    int64_t waiting_all;
};

struct schedule_due {
    struct schedule schedule;
    struct schedule_standing standing;
};

struct schedules_due {
    struct schedule_due *items;
    size_t count;
};

/* Up to SCHEDULES_DUE_MAX that are due, without what their runs are asked with. *out_wait_ms: until
 * the next one is, where these are all; INT64_MAX: none is. */
SUSPENDS MUSTCHECK int schedules_due(struct pg *pg, struct arena *arena, struct schedules_due *out,
                                     int64_t *out_wait_ms, struct error *err);

/* One of the tenant, whatever its state. SCHEDULE_MISSING. */
SUSPENDS MUSTCHECK int schedule_look(const struct store *store, struct uuid id,
                                     struct schedule_due *out, struct error *err);

/* A firing that is to be there. */
struct new_firing {
    struct uuid id;
    enum firing_cause cause;
    enum firing_state state;
    int64_t nominal;
    int64_t until; /* 0: it is one time */
    int64_t times;
    struct text detail; /* TEXT_NONE: none */
};

/* What is to become of a schedule whose turn this is. */
struct schedule_plan {
    struct uuid schedule;
    int64_t turn;
    bool moves;   /* its next time is another one: */
    int64_t next; /* 0: it has ended */
    int64_t due;
    int64_t last_fire; /* of its firings; 0: as it is */
    int64_t fires;     /* how many of its firings are to have runs */
    const struct new_firing *firings;
    size_t count;
};

/* Those of the plans whose schedules have that turn. *out_done (may be NULL) is how many;
 * *out_firings how many firings there are now that were not before: a time that has a run has no
 * second one. */
SUSPENDS MUSTCHECK int schedules_fire(struct pg *pg, const struct schedule_plan *plans,
                                      size_t count, int64_t *out_done, int64_t *out_firings,
                                      struct error *err);

/* A firing that is due, taken for FIRINGS_TAKEN_MS. */
struct firing_taken {
    struct firing firing;
    struct schedule schedule;
    bool no_room;      /* its last run found none on the lasting thread */
    int64_t now_ms;    /* by the database's clock */
    int64_t last_fire; /* the time before this one that had a run; 0: none */
    bool more;         /* others were left */
};

struct firings_taken {
    struct firing_taken *items;
    size_t count;
    bool more; /* others may be due */
};

SUSPENDS MUSTCHECK int firings_take(struct pg *pg, struct arena *arena, struct firings_taken *out,
                                    struct error *err);

/* What came of one that was taken. */
struct firing_start {
    struct uuid schedule;
    struct uuid id;
    enum firing_state state; /* FIRING_STARTED; FIRING_FAILED, with a detail; FIRING_DUE: to be
                              * tried again after retry_ms */
    struct text detail;
    int64_t retry_ms;
    struct uuid thread;     /* the lasting thread from now on, made by this run; zero: as it was */
    bool forget_thread;     /* it is not there any more */
    const char *pause_code; /* the schedule is paused, with a message; NULL: it is not */
    struct text pause_message;
};

/* Pauses also those that have failed max_failures times in a row. *out_count: how many firings were
 * as they were taken. */
SUSPENDS MUSTCHECK int firings_started(struct pg *pg, const struct firing_start *starts,
                                       size_t count, int64_t *out_count, struct error *err);

/* The runs of a schedule's other firings that are at work, for whoever takes their place. */
SUSPENDS MUSTCHECK int firings_at_work(const struct store *store, struct uuid schedule,
                                       struct uuid but, struct uuid *out, size_t max,
                                       size_t *out_count, struct error *err);

/* Of up to FIRINGS_SETTLE_MAX firings whose runs have ended the outcome is noted, and of schedules
 * how many failed in a row. *out_count: how many firings; *out_paused: schedules that were paused
 * for that. */
SUSPENDS MUSTCHECK int firings_settle(struct pg *pg, int64_t *out_count, int64_t *out_paused,
                                      struct error *err);

/* What waits and has nothing in its way any more is due. */
SUSPENDS MUSTCHECK int firings_promote(struct pg *pg, int64_t *out_count, struct error *err);

/* What a run answered, up to `max` characters; TEXT_NONE: nothing, or it is not there any more. */
SUSPENDS MUSTCHECK int schedule_last_result(const struct store *store, struct uuid run, size_t max,
                                            struct text *out, struct error *err);

/* Lasting threads that are to be told what became of a firing. */
struct firing_news {
    struct firing firing;
    struct uuid thread; /* zero: there is none any more, so nobody is told */
    struct text zone;
    struct text error;  /* of its run: JSON; TEXT_NONE: none */
    struct text reason; /* why it is incomplete */
};

struct firing_news_list {
    struct firing_news *items;
    size_t count;
};

/* Some, taken for FIRINGS_TAKEN_MS. */
SUSPENDS MUSTCHECK int firings_to_tell(struct pg *pg, struct arena *arena,
                                       struct firing_news_list *out, struct error *err);
SUSPENDS MUSTCHECK int firings_told(struct pg *pg, const struct firing_news *news, size_t count,
                                    struct error *err);

struct schedule_counts {
    int64_t at_work;
    int64_t waiting;
    int64_t due;
};

SUSPENDS MUSTCHECK int schedule_counts(struct pg *pg, struct schedule_counts *out,
                                       struct error *err);
