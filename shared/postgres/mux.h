#pragma once
/* The shared connection: one driver fiber, one queue of requests. Internal to shared/postgres. */

#include <ev.h>

#include "shared/base/backoff.h"
#include "shared/base/compiler.h"
#include "shared/base/error.h"
#include "shared/base/list.h"
#include "shared/fiber/cond.h"
#include "shared/postgres/flight.h"
#include "shared/postgres/postgres.h"
#include "shared/postgres/state.h"

struct fiber;
struct pg_conninfo;

struct pg_mux_options {
    const struct pg_conninfo *info; /* outlives the mux */
    int64_t request_timeout_ms;
    int64_t stall_ms; /* a connection on which nothing moves for that long is given up */
    size_t queue_max;
    size_t batch_max;
};

/* What a statement met that says something of the server. */
struct pg_refusal {
    enum pg_state state;
    int64_t at_ms;
    struct error why;
};

struct pg_mux {
    struct pg_mux_options options;
    struct list queue; /* of pg_request: not sent, or sent and known to be rolled back */
    struct pg_flight flight;
    struct pg_session *session; /* NULL while not connected */
    struct fiber *driver;
    struct fiber *prober; /* NULL until a flight of this session was silent */
    int backend;          /* the session's process */
    int64_t sign_ms;      /* when something moved on the socket last, or the flight left */
    int64_t probe_due_ms; /* not asked about before */
    bool probing;
    bool lost;    /* what the prober found */
    ev_io reader; /* both on the session's socket, while there is one */
    ev_io writer;
    bool readable;
    bool hungry; /* the driver waits for requests */
    bool flying; /* a flight is out */
    bool closing;
    struct cond ready;      /* connected, or closing */
    struct cond landed;     /* or the connection is gone */
    struct cond idle;       /* signalled when running or users has become 0 */
    size_t running;         /* requests whose callers have not left */
    size_t users;           /* fibers inside the functions below */
    struct backoff backoff; /* of connections that failed */
    struct error last_error;
    struct pg_refusal refusal; /* the last one */
    struct pg_stats stats;     /* queued and in_flight are counted when asked for */
};

void pg_mux_open(struct pg_mux *mux, const struct pg_mux_options *options);

/* Gives what is running up to `grace_ms`; what is left then fails. */
SUSPENDS void pg_mux_close(struct pg_mux *mux, int64_t grace_ms);

SUSPENDS MUSTCHECK int pg_mux_wait_ready(struct pg_mux *mux, int64_t deadline_ms,
                                         struct error *err);

/* As pg_exec_all. */
SUSPENDS MUSTCHECK int pg_mux_run(struct pg_mux *mux, const struct pg_query *queries, size_t count,
                                  struct pg_result **out_results, struct error *err);

SUSPENDS void pg_mux_await_turn(struct pg_mux *mux); /* as pg_await_turn */

enum pg_state pg_mux_state(const struct pg_mux *mux, struct error *out_why); /* as pg_state */

void pg_mux_stats(const struct pg_mux *mux, struct pg_stats *out);
