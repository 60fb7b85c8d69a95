/* Is a silent session at work?
 *
 * Over a half-open connection what is sent vanishes, and neither side is told. From here that looks
 * like a slow statement; only the server knows the difference, so another connection asks it what
 * the session's process does:
 *
 *   works     it executes something, or waits for a lock or a disk
 *   lost      it is gone, or it waits for us, who have sent everything long ago. An answer may have
 *             left in this very moment, so it must look so twice
 *   unknown   no connection in time, a role that may not see it, or a pooler in between, where
 *             the process ids that clients are told are not the server's
 *
 * A time limit alone can't do this: one that spares the slowest honest statement leaves everybody
 * waiting for that long on a dead connection. A process that lost its client is ended at once, for
 * it may hold the locks of a batch that came half, and what is still on its way to it must not be
 * executed after it was repeated elsewhere. After a failover the number may be that of a stranger's
 * process on another server, so only one that looks like ours is ended.
 */

#include "shared/postgres/probe.h"

#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/postgres/session.h"

#define PROBE_MS 2500
#define AGAIN_MS 200

/* clang-format off */
static const struct pg_statement look_statement = {
    .name = "probe_look",
    .sql =
        "SELECT pg_backend_pid(), coalesce(("
        "    SELECT CASE"
        "        WHEN state = 'active' AND wait_event_type IS DISTINCT FROM 'Client' THEN 'works'"
        "        WHEN state IN ('active', 'idle', 'idle in transaction',"
        "            'idle in transaction (aborted)') THEN 'lost'"
        "        ELSE 'unknown' END"
        "    FROM pg_stat_activity"
        "    WHERE pid = $1), 'lost')",
    .types = "i",
};

static const struct pg_statement end_statement = {
    .name = "probe_end",
    .sql =
        "SELECT pg_terminate_backend(pid)"
        " FROM pg_stat_activity"
        " WHERE pid = $1"
        "   AND usename = current_user"
        "   AND application_name = current_setting('application_name')",
    .types = "i",
};
/* clang-format on */

/* NULL when it failed. */
static PGresult *ask(struct pg_session *session, const struct pg_statement *statement, int backend,
                     int64_t deadline_ms)
{
    struct pg_value values[1] = {pg_int(backend)};
    struct pg_query query = {statement, values};
    PGresult *answer = NULL;

    if (pg_session_query(session, &query, deadline_ms, &answer, NULL) == 0)
        return answer;
    PQclear(answer);
    return NULL;
}

static enum pg_standing look(struct pg_session *session, int backend, int64_t deadline_ms)
{
    PGresult *answer = ask(session, &look_statement, backend, deadline_ms);
    enum pg_standing standing = PG_STANDING_UNKNOWN;
    const char *told;

    if (!answer)
        return standing;
    told = pg_get_string(answer, 0, 1);
    if (pg_get_int(answer, 0, 0) != PQbackendPID(session->conn))
        standing = PG_STANDING_UNKNOWN;
    else if (strcmp(told, "works") == 0)
        standing = PG_STANDING_WORKS;
    else if (strcmp(told, "lost") == 0)
        standing = PG_STANDING_LOST;
    PQclear(answer);
    return standing;
}

enum pg_standing pg_probe(const struct pg_suspect *suspect, int64_t deadline_ms)
{
    int64_t sign_ms = suspect->sign_ms ? *suspect->sign_ms : 0;
    struct pg_session *session = NULL;
    enum pg_standing standing;
    struct error err;

    deadline_ms = deadline_min(deadline_ms, deadline_in(PROBE_MS));
    if (pg_session_open(suspect->info, deadline_ms, &session, &err) < 0)
        return PG_STANDING_UNKNOWN;
    standing = look(session, suspect->backend, deadline_ms);
    if (standing == PG_STANDING_LOST) {
        if (fiber_sleep(AGAIN_MS, NULL) < 0)
            standing = PG_STANDING_UNKNOWN;
        else
            standing = look(session, suspect->backend, deadline_ms);
    }
    if (suspect->sign_ms && *suspect->sign_ms != sign_ms)
        standing = PG_STANDING_WORKS;
    if (standing == PG_STANDING_LOST)
        PQclear(ask(session, &end_statement, suspect->backend, deadline_ms));
    pg_session_close(session);
    return standing;
}
