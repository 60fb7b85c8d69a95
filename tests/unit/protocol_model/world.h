#pragma once
/* A world in memory in which the protocol is played: a table of runs, streams that forget, workers
 * that crash, stop and come back as zombies, schedulers, a model that fails. Time is a number, and
 * chance is one seed, so a world that went wrong goes wrong again.
 *
 * What is pure in the programs is used as it is: the order of hints (scheduler/dispatch/fair.h),
 * the moves between states (run_state.h), what a refused write means (run_verdict.h), what a failed
 * model call leads to (worker/run/outcome.h). What they do in SQL is written here as plain
 * assignments, with the same conditions. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scheduler/dispatch/fair.h"
#include "shared/store/leases/run_leases.h"

enum {
    WORLD_RUNS = 120,
    WORLD_THREADS = 40,
    WORLD_TENANTS = 3,
    WORLD_WORKERS = 3,
    WORLD_SLOTS = 6,
    WORLD_SCHEDULERS = 2,
    WORLD_HINTS = 64,
    WORLD_STEPS = 4, /* of a run, the last one its end */
    LEASE_MS = 10000,
    TRUST_MARGIN_MS = 2000,
    HEARTBEAT_MS = 2000,
    HINT_AGAIN_MS = 3000,
    SLEEP_MAX_MS = 2000,
    CRASHES_UNTIL_POISON = 3,
};

struct world_message {
    int64_t fence;
    int64_t step;
};

/* Open calls of a parked run: at most one of the client, and one of a time. */
struct world_waits {
    bool client;
    bool time;
    int64_t time_due_ms;
};

/* A row of the table of runs. */
struct world_run {
    struct uuid id;
    int tenant;
    int thread;
    int priority;
    enum run_status status;
    bool held;
    int64_t owner; /* 0: nobody */
    int64_t fence;
    int64_t step;
    int64_t due_ms;
    struct world_waits waits;
    int open_calls;
    int errors;
    int crashes;
    struct world_message messages[WORLD_STEPS + 1];
    int message_count;
    int64_t hinted_ms[WORLD_SCHEDULERS]; /* -1: not */
};

/* A run in a worker's hands. */
struct world_hold {
    int run; /* -1: free */
    struct run_lease lease;
    int attempts;
    int64_t wait_until_ms;
    bool in_doubt; /* a write was sent and its answer is lost */
    bool applied;  /* the truth about it, which only the world knows */
    enum run_status leaves;
    enum run_status to;
    int64_t delay_ms;
    struct world_waits opens; /* the write parks the run */
};

struct world_worker {
    int64_t id;
    bool up;
    int64_t paused_until_ms;
    bool draining;
    bool dead_row;          /* in the table: declared dead */
    int64_t lease_until_ms; /* in the table */
    int64_t trusted_until_ms;
    int64_t heartbeat_ms;
    struct world_hold holds[WORLD_SLOTS];
};

struct world_hint {
    int run;
    int64_t fence;
};

struct world {
    uint64_t random;
    int64_t now_ms;
    bool faults;
    struct world_run runs[WORLD_RUNS];
    int run_count;
    int active[WORLD_THREADS]; /* the thread's run; -1: none */
    struct world_worker workers[WORLD_WORKERS];
    struct fair *fair[WORLD_SCHEDULERS];
    int service[WORLD_SCHEDULERS][FAIR_LANES][WORLD_TENANTS]; /* while all of a lane wait */
    struct world_hint hints[WORLD_HINTS];
    int hint_count;
    int64_t next_worker_id;
    int64_t ended;
    int64_t fenced;     /* writes refused to those who had lost their run */
    int64_t replayed;   /* writes in doubt that turned out to be applied */
    int64_t dead;       /* workers declared dead */
    int64_t settled;    /* open calls */
    const char *broken; /* the invariant that does not hold; NULL: all do */
};

void world_init(struct world *world, uint64_t seed);
void world_deinit(struct world *world);

/* One event, chosen by chance, and some time passes. */
void world_step(struct world *world);

/* Whether every run has ended. */
bool world_settled(const struct world *world);

/* Checks what must hold at every moment; sets world->broken. */
void world_check(struct world *world);

uint64_t world_random(struct world *world, uint64_t below);

/* world_table.c: what the statements do. */
int table_submit(struct world *world);
void table_move(struct world *world, struct world_run *run, enum run_status to);
bool table_claim(struct world *world, int run, int64_t owner, struct run_lease *out);
bool table_write(struct world *world, const struct world_hold *hold);
void table_reap(struct world *world);
void table_cancel(struct world *world, int run);
void table_give_output(struct world *world, int run); /* of the client's call, if it is open */
void table_settle_due(struct world *world);           /* the clock's sweep */
void table_expire_workers(struct world *world);
struct world_worker *table_worker(struct world *world, int64_t id);

/* world_actors.c: what the programs do. */
void worker_turn(struct world *world, struct world_worker *worker);
void worker_begin(struct world *world, struct world_worker *worker);
void scheduler_tick(struct world *world, int scheduler);
