/* Transactions, each on a connection of the pool, outside of pipeline mode.
 *
 * BEGIN is a round trip of its own: when it fails because an idle connection had died, nothing was
 * done and the next connection is tried. From then on a broken or interrupted exchange means that
 * the server rolls back: the connection is closed at once, and what follows fails.
 */

#include "shared/postgres/postgres.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/postgres/outcome.h"
#include "shared/postgres/postgres_internal.h"

#define ROLLBACK_MS 2000

struct pg_tx {
    struct pg *pg;
    struct pg_session *session; /* NULL: closed, the server has rolled back */
};

static void drop_session(struct pg_tx *tx)
{
    pg_session_close(tx->session);
    tx->session = NULL;
}

static void end(struct pg_tx *tx)
{
    struct pg *pg = tx->pg;

    pg_pool_release(&pg->pool, tx->session);
    free(tx);
    if (pg->abandoned && pg->pool.permits_out == 0)
        pg_free(pg);
}

static int begin_on(struct pg_session *session, int64_t deadline_ms, struct error *err)
{
    PGresult *answer = NULL;
    int r = pg_session_script(session, "BEGIN", deadline_ms, &answer, err);

    if (r == PG_SESSION_REFUSED)
        r = pg_outcome_error(answer, err);
    PQclear(answer);
    return r;
}

/* Whether another connection may fare better. */
static bool may_retry(int r)
{
    return r == -E_CLOSED || r == -E_UNAVAILABLE || r == -E_NOT_FOUND || r == -E_TIMEOUT ||
           r == -E_SYSTEM || r == -E_LIMIT;
}

/* Connects where there is no session yet, and begins; leaves no session behind on failure. */
static int try_begin(struct pg_tx *tx, int64_t deadline_ms, struct error *err)
{
    int r = 0;

    if (!tx->session)
        r = pg_session_open(tx->pg->info, deadline_ms, &tx->session, err);
    if (r == 0) {
        tx->session->watched = tx->pg->info;
        r = begin_on(tx->session, deadline_ms, err);
    }
    if (r < 0)
        drop_session(tx);
    return r;
}

static int begin(struct pg_tx *tx, int64_t deadline_ms, struct error *err)
{
    struct backoff backoff = {.policy = pg_connect_policy};
    int r = try_begin(tx, deadline_ms, err);

    while (may_retry(r)) {
        int64_t wait_ms = backoff_next_ms(&backoff);

        if (tx->pg->pool.closing || clock_ms() + wait_ms >= deadline_ms)
            break;
        if (fiber_sleep(wait_ms, NULL) < 0)
            return error_set(err, E_CANCELED, "cancelled while connecting to the database");
        r = try_begin(tx, deadline_ms, err);
    }
    if (may_retry(r) && err)
        err->code = E_UNAVAILABLE;
    return may_retry(r) ? -E_UNAVAILABLE : r;
}

int pg_begin(struct pg *pg, struct pg_tx **out, struct error *err)
{
    int64_t deadline_ms = deadline_in(pg->request_timeout_ms);
    struct error own = {0};
    struct pg_session *session = NULL;
    struct pg_tx *tx;
    int r = pg_pool_acquire(&pg->pool, deadline_ms, &session, err);

    if (r < 0)
        return r;
    tx = xcalloc(1, sizeof(*tx));
    tx->pg = pg;
    tx->session = session;
    r = begin(tx, deadline_ms, err ? err : &own);
    if (r < 0) {
        end(tx);
        return r;
    }
    *out = tx;
    return 0;
}

static int broken(struct error *err)
{
    return error_set(err, E_UNAVAILABLE,
                     "the connection of the transaction was lost; it is rolled back");
}

/* Makes the result of an exchange the caller's; `lost_code` is what a broken connection means. */
static int settle(struct pg_tx *tx, int r, PGresult *answer, int lost_code, struct error *err)
{
    if (r == PG_SESSION_REFUSED) {
        r = pg_outcome_error(answer, err);
        if (pg_outcome_is_stale(answer))
            drop_session(tx);
        PQclear(answer);
        return r;
    }
    if (r < 0)
        drop_session(tx);
    if (r == -E_CLOSED) {
        if (err)
            err->code = lost_code;
        return -lost_code;
    }
    return r;
}

int pg_tx_exec(struct pg_tx *tx, const struct pg_statement *statement,
               const struct pg_value *values, struct pg_result **out, struct error *err)
{
    struct pg_query query = {statement, values};
    PGresult *answer = NULL;
    size_t bytes = 0;
    int r = pg_statement_check(&query, &bytes, err);

    if (r < 0)
        return r;
    if (!tx->session)
        return broken(err);
    r = pg_session_query(tx->session, &query, deadline_in(tx->pg->request_timeout_ms), &answer,
                         err);
    r = settle(tx, r, answer, E_UNAVAILABLE, err);
    if (r < 0)
        return r;
    if (out)
        *out = answer;
    else
        PQclear(answer);
    return 0;
}

int pg_tx_script(struct pg_tx *tx, const char *sql, struct error *err)
{
    PGresult *answer = NULL;
    int r;

    if (!tx->session)
        return broken(err);
    r = pg_session_script(tx->session, sql, deadline_in(tx->pg->request_timeout_ms), &answer, err);
    r = settle(tx, r, answer, E_AMBIGUOUS, err); /* the script may commit by itself */
    if (r == 0)
        PQclear(answer);
    return r;
}

/* A session is of use again only when it is outside of a transaction. */
static void drop_unless_idle(struct pg_tx *tx)
{
    if (tx->session && PQtransactionStatus(tx->session->conn) != PQTRANS_IDLE)
        drop_session(tx);
}

int pg_commit(struct pg_tx *tx, struct error *err)
{
    PGresult *answer = NULL;
    int r;

    if (fiber_canceled()) {
        pg_rollback(tx);
        return error_set(err, E_CANCELED, "cancelled before the commit; rolled back");
    }
    if (!tx->session) {
        end(tx);
        return broken(err);
    }
    r = pg_session_script(tx->session, "COMMIT", deadline_in(tx->pg->request_timeout_ms), &answer,
                          err);
    r = settle(tx, r, answer, E_AMBIGUOUS, err);
    if (r == 0) {
        if (strcmp(PQcmdStatus(answer), "COMMIT") != 0)
            r = error_set(err, E_REJECTED,
                          "25P02: a statement of the transaction had failed; rolled back");
        PQclear(answer);
    }
    drop_unless_idle(tx);
    end(tx);
    return r;
}

void pg_rollback(struct pg_tx *tx)
{
    if (!tx)
        return;
    if (tx->session) {
        PGresult *answer = NULL;
        int r;

        fiber_shield_enter();
        r = pg_session_script(tx->session, "ROLLBACK", deadline_in(ROLLBACK_MS), &answer, NULL);
        fiber_shield_leave();
        PQclear(answer);
        if (r != 0)
            drop_session(tx);
    }
    drop_unless_idle(tx);
    end(tx);
}
