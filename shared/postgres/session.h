#pragma once
/* One connection of libpq, driven by the calling fiber. Internal to shared/postgres.
 *
 * libpq itself never waits here: connections are non-blocking, and PQgetResult is called only when
 * PQisBusy says that it won't. */

#include <libpq-fe.h>

#include "shared/base/backoff.h"
#include "shared/base/compiler.h"
#include "shared/base/list.h"
#include "shared/base/text.h"
#include "shared/postgres/conninfo.h"
#include "shared/postgres/statement.h"

struct error;

struct pg_session {
    struct list link; /* on the pool's list of idle ones */
    PGconn *conn;
    struct pg_prepared_set prepared;
    struct buf scratch; /* for pg_statement_send */
    int64_t idle_since_ms;
    const struct pg_conninfo *watched; /* how to ask about it when it keeps silent; NULL: don't */
};

/* Tries each host of the url in order. Returns 0 with *out, the caller's to close; -E_UNAVAILABLE
 * (the text says why the last one failed, without the password), -E_TIMEOUT, -E_CANCELED. */
SUSPENDS MUSTCHECK int pg_session_open(const struct pg_conninfo *info, int64_t deadline_ms,
                                       struct pg_session **out, struct error *err);

/* Does not suspend. Accepts NULL. */
void pg_session_close(struct pg_session *session);

/* Exchanges, outside of pipeline mode: one statement, its values, its answer. Return 0 with *out,
 * the caller's to free; PG_SESSION_REFUSED with the server's error in *out; -E_CLOSED when the
 * connection broke, -E_TIMEOUT, -E_CANCELED: then the session can only be closed. */
enum { PG_SESSION_REFUSED = 1 };

SUSPENDS MUSTCHECK int pg_session_query(struct pg_session *session, const struct pg_query *query,
                                        int64_t deadline_ms, PGresult **out, struct error *err);

/* Text without parameters, possibly several statements: *out is the last or the failed one's. */
SUSPENDS MUSTCHECK int pg_session_script(struct pg_session *session, const char *sql,
                                         int64_t deadline_ms, PGresult **out, struct error *err);

/* Fills *err with -E_CLOSED and libpq's reason. */
int pg_session_broken(const struct pg_session *session, struct error *err);

/* Before a server that could not be reached is tried again. */
extern const struct backoff_policy pg_connect_policy;
