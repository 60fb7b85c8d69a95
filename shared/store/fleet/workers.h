#pragma once
/* Worker processes and their leases: one row each, one lease for all runs of the process.
 *
 * A worker is a random 63-bit number per incarnation. Its heartbeat thread renews the lease on a
 * blocking connection of its own, with the statement given here as text.
 */

#include "shared/store/store.h"

struct worker_row {
    int64_t id;       /* workers_new_id() */
    const char *host; /* shown to people */
    int64_t pid;
    int64_t slots;    /* runs at once */
    int64_t lease_ms; /* 10 000 */
};

/* A random number, 1..INT64_MAX. */
int64_t workers_new_id(void);

/* -E_CONFLICT when the id exists. */
SUSPENDS MUSTCHECK int workers_register(struct pg *pg, const struct worker_row *worker,
                                        struct error *err);

/* Takes the session advisory lock of a worker. Parameters: $1 worker id, $2 the process id of the
 * server that the connection reports. One row: whether it is held now. No row: the statement ran in
 * another session than the connection's own (a pooler), and nothing was locked. */
extern const char *const workers_lock_sql;

/* Parameters: $1 worker id, $2 lease in ms, $3 runs in hand, $4 the process id of the server that
 * the connection reports when this session holds the worker's lock, else NULL, $5 the same process
 * id always (all int8, may be sent as text). Records when the server that granted the lock was
 * started (lock_boot), and whether the worker was away: its lease had lapsed, or it comes over
 * another connection than before (back_at). One row: state ('up' or 'draining'), and the ids of
 * this worker's runs whose cancel was asked for, as "uuid,uuid,…" ("" for none). No row: it was
 * declared dead, as in WORKER_DEAD. */
extern const char *const workers_heartbeat_sql;

/* The same from a fiber (tests, and workers that want the cancels sooner). *out_runs lives in the
 * arena. WORKER_DEAD. */
SUSPENDS MUSTCHECK int workers_cancelled_runs(struct pg *pg, struct arena *arena, int64_t id,
                                              struct uuid **out_runs, size_t *out_count,
                                              struct error *err);

/* How many runs it has in hand, as Postgres sees it. */
SUSPENDS MUSTCHECK int workers_count_runs(struct pg *pg, int64_t id, int64_t *out,
                                          struct error *err);

/* Says whether it can run programs of models: "", or why it can't. WORKER_DEAD. */
SUSPENDS MUSTCHECK int workers_tell_code(struct pg *pg, int64_t id, const char *trouble,
                                         struct error *err);

/* What the workers whose lease is valid say of that. */
struct workers_code {
    int64_t can;
    int64_t cannot;
    int64_t unsaid;
    char trouble[240]; /* of one that can't; "" */
};
SUSPENDS MUSTCHECK int workers_ask_code(struct pg *pg, struct workers_code *out, struct error *err);

/* How many workers there are whose lease is valid. */
SUSPENDS MUSTCHECK int workers_count_live(struct pg *pg, int64_t *out, struct error *err);

/* From now on it claims nothing. WORKER_DEAD. */
SUSPENDS MUSTCHECK int workers_drain(struct pg *pg, int64_t id, struct error *err);

/* Takes the row away. What the worker still had in hand is handed back as queued (counted as
 * neither crash nor error), and cancels are carried out. Returns 0 also when the row was gone;
 * *out_runs (may be NULL): how many were still in hand. */
SUSPENDS MUSTCHECK int workers_deregister(struct pg *pg, int64_t id, int64_t *out_runs,
                                          struct error *err);
