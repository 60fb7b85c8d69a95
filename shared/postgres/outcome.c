/* What an answer of the server means, by its SQLSTATE:
 * https://www.postgresql.org/docs/15/errcodes-appendix.html
 *
 * A FATAL error, class 08 and 57P0x end the connection. They do not say that the transaction was
 * not committed: a backend may be told to stop between its commit and its answer. So they count as
 * a lost connection, never as a refused statement.
 */

#include "shared/postgres/outcome.h"

#include <string.h>

#include "shared/base/error.h"

static const char *field(const PGresult *result, int code)
{
    const char *value = PQresultErrorField(result, code);

    return value ? value : "";
}

static bool ends_connection(const PGresult *result)
{
    const char *state = field(result, PG_DIAG_SQLSTATE);
    const char *severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);

    if (!state[0]) /* made by libpq itself */
        return true;
    return strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0 ||
           strncmp(state, "08", 2) == 0 || strncmp(state, "57P0", 4) == 0;
}

enum pg_verdict pg_outcome_of(const PGresult *result)
{
    /* As a number, since newer versions of libpq have states that older ones don't name. They
     * answer what is not asked for here, as COPY and single rows do. */
    switch ((int)PQresultStatus(result)) {
    case PGRES_EMPTY_QUERY:
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        return PG_DONE;
    case PGRES_PIPELINE_ABORTED:
        return PG_SKIPPED;
    case PGRES_FATAL_ERROR:
        return ends_connection(result) ? PG_LOST : PG_FAILED;
    }
    return PG_STRANGE;
}

bool pg_outcome_is_transient(const PGresult *result)
{
    const char *state = field(result, PG_DIAG_SQLSTATE);

    return strcmp(state, "40P01") == 0 || strcmp(state, "40001") == 0;
}

static bool is_read_only(const char *state)
{
    return strcmp(state, "25006") == 0;
}

bool pg_outcome_is_stale(const PGresult *result)
{
    const char *state = field(result, PG_DIAG_SQLSTATE);

    if (strcmp(state, "26000") == 0 || is_read_only(state))
        return true;
    return strcmp(state, "0A000") == 0 &&
           strcmp(field(result, PG_DIAG_SOURCE_FUNCTION), "RevalidateCachedQuery") == 0;
}

static bool is_statement_timeout(const char *state)
{
    return strcmp(state, "57014") == 0;
}

static bool is_lock_timeout(const char *state)
{
    return strcmp(state, "55P03") == 0;
}

bool pg_outcome_is_timeout(const PGresult *result)
{
    const char *state = field(result, PG_DIAG_SQLSTATE);

    return is_statement_timeout(state) || is_lock_timeout(state);
}

/* Rolled back for reasons that pass: deadlocks and conflicts that went on after the reruns, a lock
 * not to be had, no disk or memory or connection slot, an I/O error, a server that is no primary
 * (classes 40, 53, 55P03, 58, 25006). */
static bool passes(const char *state)
{
    return strncmp(state, "40", 2) == 0 || strncmp(state, "53", 2) == 0 ||
           strncmp(state, "58", 2) == 0 || is_lock_timeout(state) || is_read_only(state);
}

/* What was to be stored is no good, now or later: a value that is out of range or no text, a
 * constraint, a row met twice, over a limit of the server's, refused by a trigger (classes 21, 22,
 * 23, 44, 54, P0). */
static bool is_content(const char *state)
{
    static const char *const classes[] = {"21", "22", "23", "44", "54", "P0"};

    for (size_t i = 0; i < ARRAY_LENGTH(classes); i++)
        if (strncmp(state, classes[i], 2) == 0)
            return true;
    return false;
}

int pg_outcome_error(const PGresult *result, struct error *err)
{
    const char *state = field(result, PG_DIAG_SQLSTATE);
    const char *message = field(result, PG_DIAG_MESSAGE_PRIMARY);

    if (strcmp(state, "23505") == 0 || strcmp(state, "23P01") == 0)
        return error_set(err, E_CONFLICT, "%s: %s", state, message);
    if (is_statement_timeout(state))
        return error_set(err, E_TIMEOUT, "%s: %s", state, message);
    if (passes(state))
        return error_set(err, E_UNAVAILABLE, "%s: %s", state, message);
    return error_set(err, is_content(state) ? E_CONTENT : E_REJECTED, "%s: %s", state, message);
}

void pg_outcome_line(const char *message, char *out, size_t size)
{
    size_t len = message ? strcspn(message, "\r\n") : 0;

    while (len > 0 && message[len - 1] == ' ')
        len--;
    if (len >= size)
        len = size - 1;
    if (len > 0)
        memcpy(out, message, len);
    out[len] = '\0';
}
