#pragma once
/* The locks of workers: how the end of a process is seen before its lease lapses.
 *
 * A worker's heartbeat connection holds the session advisory lock of its worker id, and records in
 * lock_boot when the server that granted it was started. A process that ends, however it ends,
 * loses its connections, and with them the lock. A free lock alone proves nothing: a restart of
 * Postgres frees all of them (so only those that the running server granted are looked at), and a
 * connection may be cut while the worker lives (it takes the lock again within half a second: look
 * twice, see scheduler/reap/evidence.h). Workers behind a connection pooler hold none and are not
 * looked at.
 *
 * Looking takes a free lock for the moment of the statement, in shared mode: several may look, and
 * a worker that wants it just then tries again.
 */

#include "shared/store/fleet/dead_workers.h"
#include "shared/store/store.h"

struct worker_locks {
    int64_t server_wall_ms; /* the server's clock */
    int64_t lapse_ms;       /* until the first lease lapses, < 0 since; INT64_MAX: nobody has one */
    int64_t alive;          /* workers not declared dead */
    int64_t back;           /* of them, those who came back within 5 s and whose lock is not free */
    int64_t *free;          /* ids of those whose lock nobody holds; in the arena */
    size_t free_count;
};

SUSPENDS MUSTCHECK int worker_locks_look(struct pg *pg, struct arena *arena,
                                         struct worker_locks *out, struct error *err);

/* Declares those of them dead whose lock is (still) free. */
SUSPENDS MUSTCHECK int worker_locks_declare_dead(struct pg *pg, const int64_t *workers,
                                                 size_t count, struct dead_workers *out,
                                                 struct error *err);
