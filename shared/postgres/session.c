/* One connection: connecting, and exchanges outside of pipeline mode.
 *
 * An exchange that ends early (time-out, cancel) leaves answers of the server on the way, and libpq
 * has no cancel that does not block: whoever drives the session closes it then.
 *
 * A statement may take long, and a half-open connection is silent, too. So of a session that is
 * watched the server is asked (probe.h), by the fiber that waits and more and more rarely.
 */

#include "shared/postgres/session.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/io/io.h"
#include "shared/net/resolve.h"
#include "shared/postgres/outcome.h"
#include "shared/postgres/probe.h"

const struct backoff_policy pg_connect_policy = {.base_ms = 50, .cap_ms = 2000};

/* What the server warns of is for the operator; what it notes is for nobody. */
static void tell_notice(void *arg, const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    (void)arg;
    if (severity && message && strcmp(severity, "WARNING") == 0)
        log_warn("Postgres warns", LOG_STR("warning", message));
}

static int connect_failure(const PGconn *conn, struct error *err)
{
    char line[200];

    pg_outcome_line(PQerrorMessage(conn), line, sizeof(line));
    return error_set(err, E_UNAVAILABLE, "%s", line[0] ? line : "can't connect to the database");
}

/* libpq may use a new socket after every poll, so PQsocket is asked each time. */
static int poll_until_connected(PGconn *conn, int64_t deadline_ms, struct error *err)
{
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;

    if (PQstatus(conn) == CONNECTION_BAD)
        return connect_failure(conn, err);
    for (;;) {
        int events = state == PGRES_POLLING_READING ? IO_READ : IO_WRITE;
        int r = io_wait(PQsocket(conn), events, deadline_ms, err);

        if (r < 0)
            return r == -E_CANCELED ? r : error_wrap(err, "connecting to the database");
        state = PQconnectPoll(conn);
        if (state == PGRES_POLLING_OK)
            return 0;
        if (state == PGRES_POLLING_FAILED)
            return connect_failure(conn, err);
    }
}

static struct pg_session *wrap(PGconn *conn)
{
    struct pg_session *session = xcalloc(1, sizeof(*session));

    list_init(&session->link);
    session->conn = conn;
    buf_init(&session->scratch, PG_REQUEST_MAX_BYTES + PG_VALUES_MAX + 1);
    return session;
}

struct attempt {
    const struct pg_conninfo *info;
    const struct pg_target *target;
    int64_t deadline_ms;
};

/* `hostaddr` is numeric, or NULL for a socket folder. */
static int open_address(const struct attempt *attempt, const char *hostaddr,
                        struct pg_session **out, struct error *err)
{
    PGconn *conn = pg_conninfo_start(attempt->info, attempt->target, hostaddr);
    int64_t limit_ms = deadline_in(attempt->info->connect_timeout_ms);
    int r;

    if (!conn)
        return error_set(err, E_UNAVAILABLE, "out of memory for a database connection");
    PQsetNoticeReceiver(conn, tell_notice, NULL);
    (void)PQsetErrorVerbosity(conn, PQERRORS_VERBOSE); /* a refusal then says its SQLSTATE */
    r = poll_until_connected(conn, deadline_min(attempt->deadline_ms, limit_ms), err);
    if (r == 0 && PQsetnonblocking(conn, 1) < 0)
        r = connect_failure(conn, err);
    if (r < 0) {
        PQfinish(conn);
        return r;
    }
    (void)PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
    *out = wrap(conn);
    return 0;
}

static int open_name(const struct attempt *attempt, struct pg_session **out, struct error *err)
{
    struct resolved *resolved CLEANUP(freep) = xcalloc(1, sizeof(*resolved));
    int64_t limit_ms = deadline_in(attempt->info->connect_timeout_ms);
    int r = resolve_host(attempt->target->host, PG_TARGET_PORT_FIRST,
                         deadline_min(attempt->deadline_ms, limit_ms), resolved, err);

    if (r < 0)
        return r == -E_CANCELED ? r
                                : error_wrap(err, "database host \"%s\"", attempt->target->host);
    for (size_t i = 0; i < resolved->count; i++) {
        const struct address *address = &resolved->addresses[i];
        char numeric[NI_MAXHOST];

        if (getnameinfo((const struct sockaddr *)&address->storage, address->len, numeric,
                        sizeof(numeric), NULL, 0, NI_NUMERICHOST) != 0)
            r = error_set(err, E_UNAVAILABLE, "an address of database host \"%s\" is strange",
                          attempt->target->host);
        else
            r = open_address(attempt, numeric, out, err);
        if (r == 0 || r == -E_CANCELED)
            return r;
    }
    return r;
}

static int open_target(const struct attempt *attempt, struct pg_session **out, struct error *err)
{
    const struct pg_target *target = attempt->target;

    if (target->hostaddr[0])
        return open_address(attempt, target->hostaddr, out, err);
    if (pg_target_is_name(target))
        return open_name(attempt, out, err);
    if (!target->host[0] || target->host[0] == '/' || target->host[0] == '@')
        return open_address(attempt, NULL, out, err);
    return open_address(attempt, target->host, out, err);
}

int pg_session_open(const struct pg_conninfo *info, int64_t deadline_ms, struct pg_session **out,
                    struct error *err)
{
    int r = -E_UNAVAILABLE;

    ASSERT(info->target_count > 0);
    for (size_t i = 0; i < info->target_count; i++) {
        struct attempt attempt = {info, &info->targets[i], deadline_ms};

        r = open_target(&attempt, out, err);
        if (r == 0 || r == -E_CANCELED)
            return r;
    }
    return r;
}

void pg_session_close(struct pg_session *session)
{
    if (!session)
        return;
    list_remove(&session->link);
    PQfinish(session->conn);
    pg_prepared_deinit(&session->prepared);
    buf_deinit(&session->scratch);
    free(session);
}

int pg_session_broken(const struct pg_session *session, struct error *err)
{
    char line[200];

    pg_outcome_line(PQerrorMessage(session->conn), line, sizeof(line));
    return error_set(err, E_CLOSED, "%s",
                     line[0] ? line : "the connection to the database was lost");
}

static int judge_silence(const struct pg_session *session, int64_t deadline_ms, struct error *err)
{
    struct pg_suspect suspect = {session->watched, PQbackendPID(session->conn), NULL};

    if (pg_probe(&suspect, deadline_ms) != PG_STANDING_LOST)
        return 0;
    return error_set(err, E_CLOSED, "the connection to the database was half-open");
}

/* Waits for the socket, to read and, while libpq has unsent bytes, to write. */
static int turn(struct pg_session *session, int64_t deadline_ms, struct error *err)
{
    int unsent = PQflush(session->conn);
    int r;

    if (unsent < 0)
        return pg_session_broken(session, err);
    r = io_wait(PQsocket(session->conn), unsent ? IO_READ | IO_WRITE : IO_READ, deadline_ms, err);
    if (r < 0)
        return r;
    if (!PQconsumeInput(session->conn))
        return pg_session_broken(session, err);
    return 0;
}

/* Until there is an answer to be had. */
static int await_answer(struct pg_session *session, int64_t deadline_ms, struct error *err)
{
    int64_t silence_ms = session->watched ? session->watched->silence_ms : 0;

    while (PQisBusy(session->conn)) {
        int64_t probe_ms = silence_ms ? deadline_in(silence_ms) : DEADLINE_NONE;
        int r = turn(session, deadline_min(deadline_ms, probe_ms), err);

        if (r == -E_TIMEOUT && clock_ms() < deadline_ms) {
            r = judge_silence(session, deadline_ms, err);
            silence_ms *= 2;
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* Keeps the first error, else the latest answer. */
static void keep(PGresult **kept, PGresult *result)
{
    if (*kept && pg_outcome_of(*kept) != PG_DONE) {
        PQclear(result);
        return;
    }
    PQclear(*kept);
    *kept = result;
}

/* All answers up to the end of the exchange, the telling one in *kept. */
static int collect(struct pg_session *session, int64_t deadline_ms, PGresult **kept,
                   struct error *err)
{
    for (;;) {
        PGresult *result;
        int r = await_answer(session, deadline_ms, err);

        if (r < 0)
            return r;
        result = PQgetResult(session->conn);
        if (!result)
            return 0;
        keep(kept, result);
        if (pg_outcome_of(result) == PG_STRANGE)
            return error_set(err, E_CLOSED, "the statement began a COPY, which is not supported");
    }
}

static int lost_to_error(const PGresult *result, struct error *err)
{
    char line[200];

    pg_outcome_line(PQresultErrorMessage(result), line, sizeof(line));
    return error_set(err, E_CLOSED, "%s", line);
}

static int finish_exchange(struct pg_session *session, int64_t deadline_ms, PGresult **out,
                           struct error *err)
{
    PGresult *kept = NULL;
    enum pg_verdict verdict = PG_LOST;
    int r = collect(session, deadline_ms, &kept, err);

    if (r == 0) {
        if (kept)
            verdict = pg_outcome_of(kept);
        if (verdict == PG_DONE || verdict == PG_FAILED) {
            *out = kept;
            return verdict == PG_DONE ? 0 : PG_SESSION_REFUSED;
        }
        r = kept ? lost_to_error(kept, err) : pg_session_broken(session, err);
    }
    PQclear(kept);
    return r;
}

static int prepare(struct pg_session *session, const struct pg_statement *statement,
                   int64_t deadline_ms, PGresult **out, struct error *err)
{
    PGresult *answer = NULL;
    int r;

    if (pg_prepared_get(&session->prepared, statement) == PG_PREPARED_READY)
        return 0;
    if (!pg_statement_send_prepare(session->conn, statement))
        return pg_session_broken(session, err);
    r = finish_exchange(session, deadline_ms, &answer, err);
    if (r == PG_SESSION_REFUSED)
        *out = answer;
    if (r != 0)
        return r;
    PQclear(answer);
    pg_prepared_put(&session->prepared, statement, PG_PREPARED_READY);
    return 0;
}

int pg_session_query(struct pg_session *session, const struct pg_query *query, int64_t deadline_ms,
                     PGresult **out, struct error *err)
{
    int r = prepare(session, query->statement, deadline_ms, out, err);

    if (r != 0)
        return r;
    if (!pg_statement_send(session->conn, query, &session->scratch))
        return pg_session_broken(session, err);
    return finish_exchange(session, deadline_ms, out, err);
}

int pg_session_script(struct pg_session *session, const char *sql, int64_t deadline_ms,
                      PGresult **out, struct error *err)
{
    if (!PQsendQuery(session->conn, sql))
        return pg_session_broken(session, err);
    return finish_exchange(session, deadline_ms, out, err);
}
