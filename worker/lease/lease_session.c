/* The heartbeat's connection
 *
 * A TCP connection may go silent without an error for minutes, so nothing here waits for libpq: an
 * exchange is sent, and its answer awaited by poll() until a deadline.
 *
 * The lock belongs to the server's session, so it holds only while one client connection is one
 * session. Behind a pooler that shares sessions between clients it would be taken in somebody's
 * session and lost with it. The process id that the server reports in the protocol and the one that
 * SQL reports differ then; no lock is taken, lock_boot stays NULL, and only the lease tells that
 * this worker died.
 */

#include "worker/lease/lease_session.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <libpq-fe.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/store/fleet/workers.h"

#define EXCHANGE_MS 3000

enum lock_state { LOCK_NONE, LOCK_HELD, LOCK_POOLER };

struct lease_session {
    PGconn *conn;
    int64_t worker; /* whose lock it is about */
    enum lock_state lock;
};

struct lease_session *lease_session_open(const char *database_url)
{
    /* The server gives up a client that vanished after a minute: until then it holds the lock, and
     * the next session can't take it. */
    const char *const keys[] = {"dbname",  "connect_timeout",  "application_name",
                                "options", "tcp_user_timeout", NULL};
    const char *const values[] = {database_url,
                                  "3",
                                  "penstock-heartbeat",
                                  "-c statement_timeout=3000 -c tcp_keepalives_idle=20"
                                  " -c tcp_keepalives_interval=10 -c tcp_keepalives_count=4",
                                  "4000",
                                  NULL};
    PGconn *conn = PQconnectdbParams(keys, values, 1);
    struct lease_session *session;

    if (PQstatus(conn) != CONNECTION_OK || PQsetnonblocking(conn, 1) != 0) {
        PQfinish(conn);
        return NULL;
    }
    session = xcalloc(1, sizeof(*session));
    session->conn = conn;
    return session;
}

struct lease_session *lease_session_close(struct lease_session *session)
{
    if (!session)
        return NULL;
    PQfinish(session->conn);
    free(session);
    return NULL;
}

/* Waits for what libpq wants. False: the deadline came, or the connection broke. */
static bool wait_for_answer(PGconn *conn, int64_t deadline_ms)
{
    for (;;) {
        int unsent = PQflush(conn);
        struct pollfd entry = {.fd = PQsocket(conn), .events = POLLIN};
        int64_t left_ms = deadline_ms - clock_ms();

        if (unsent < 0)
            return false;
        if (unsent == 0 && !PQisBusy(conn))
            return true;
        if (left_ms <= 0)
            return false;
        if (unsent > 0)
            entry.events |= POLLOUT;
        if (poll(&entry, 1, (int)left_ms) > 0 && (entry.revents & ~POLLOUT) &&
            !PQconsumeInput(conn))
            return false;
    }
}

/* One statement. Returns its rows, or NULL when there is no telling what became of it. */
static PGresult *exchange(PGconn *conn, const char *sql, int count, const char *const *values)
{
    int64_t deadline_ms = deadline_in(EXCHANGE_MS);
    PGresult *result = NULL;
    PGresult *next;

    if (!PQsendQueryParams(conn, sql, count, NULL, values, NULL, NULL, 0))
        return NULL;
    for (;;) {
        if (!wait_for_answer(conn, deadline_ms)) {
            PQclear(result);
            return NULL;
        }
        next = PQgetResult(conn);
        if (!next)
            break;
        PQclear(result);
        result = next;
    }
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    PQclear(result);
    return NULL;
}

/* Returns false when the connection failed. */
static bool take_lock(struct lease_session *session, const char *id, const char *backend)
{
    const char *values[] = {id, backend};
    PGresult *result = exchange(session->conn, workers_lock_sql, 2, values);

    if (!result)
        return false;
    if (PQntuples(result) == 0)
        session->lock = LOCK_POOLER;
    else if (PQgetvalue(result, 0, 0)[0] == 't')
        session->lock = LOCK_HELD;
    PQclear(result);
    return true;
}

enum lease_beat lease_session_beat(struct lease_session *session,
                                   const struct lease_beat_values *beat)
{
    char id[24];
    char lease[24];
    char busy[24];
    char backend[24];
    const char *values[] = {id, lease, busy, NULL, backend};
    PGresult *result;
    bool alive;

    ASSERT(session->worker == 0 || session->worker == beat->worker);
    session->worker = beat->worker;
    snprintf(id, sizeof(id), "%" PRId64, beat->worker);
    snprintf(lease, sizeof(lease), "%" PRId64, beat->lease_ms);
    snprintf(busy, sizeof(busy), "%" PRId64, beat->busy);
    snprintf(backend, sizeof(backend), "%d", PQbackendPID(session->conn));
    if (session->lock == LOCK_NONE && !take_lock(session, id, backend))
        return LEASE_BEAT_LOST;
    if (session->lock == LOCK_HELD)
        values[3] = backend;
    result = exchange(session->conn, workers_heartbeat_sql, 5, values);
    if (!result)
        return LEASE_BEAT_LOST;
    alive = PQntuples(result) > 0;
    PQclear(result);
    if (!alive)
        return LEASE_BEAT_DEAD;
    return session->lock == LOCK_NONE ? LEASE_BEAT_UNLOCKED : LEASE_BEAT_RENEWED;
}

bool lease_session_wait(struct lease_session *session, int wake_fd, int64_t wait_ms)
{
    int64_t deadline_ms = deadline_in(wait_ms);

    for (;;) {
        struct pollfd entries[2] = {
            {.fd = wake_fd, .events = POLLIN},
            {.fd = session ? PQsocket(session->conn) : -1, .events = POLLIN}};
        int64_t left_ms = deadline_ms - clock_ms();

        if (left_ms <= 0 || poll(entries, 2, (int)left_ms) == 0 || entries[0].revents)
            return true;
        /* What the server says unasked is a notice, a setting, or its farewell. */
        if (entries[1].revents &&
            (!PQconsumeInput(session->conn) || PQstatus(session->conn) != CONNECTION_OK))
            return false;
    }
}
