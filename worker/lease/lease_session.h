#pragma once
/* The heartbeat's connection: blocking, of the heartbeat thread alone, each exchange with a time
 * limit of its own. It renews the lease and holds the session advisory lock of the worker's id, by
 * which the schedulers see the end of this process at once (shared/store/fleet/worker_locks.h).
 */

#include "shared/base/compiler.h"

struct lease_session;

enum lease_beat {
    LEASE_BEAT_LOST, /* no answer: closed, to be opened again */
    LEASE_BEAT_DEAD, /* Postgres says that this worker was declared dead */
    LEASE_BEAT_RENEWED,
    LEASE_BEAT_UNLOCKED, /* renewed, but the lock is not ours yet: try again soon */
};

/* Connects within 3 seconds. NULL: try again later. */
struct lease_session *lease_session_open(const char *database_url);
struct lease_session *lease_session_close(struct lease_session *session); /* accepts NULL */

struct lease_beat_values {
    int64_t worker;
    int64_t lease_ms;
    int64_t busy;
};

/* Takes the worker's lock if it is not held yet, and renews its lease. For another worker than the
 * last one open another session: so the old lock is given up. */
enum lease_beat lease_session_beat(struct lease_session *session,
                                   const struct lease_beat_values *values);

/* Waits until wake_fd is readable or the time has passed: true. False: the server closed the
 * connection. `session` may be NULL. */
bool lease_session_wait(struct lease_session *session, int wake_fd, int64_t wait_ms);
