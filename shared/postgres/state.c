/* From answers to states, as a table of SQLSTATEs and their classes (two letters):
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

#include "shared/postgres/state.h"

#include <string.h>

#include "shared/base/error.h"

#define SQLSTATE_LEN 5

/* The first row that the SQLSTATE begins with counts. */
static const struct {
    const char *begin;
    enum pg_state state;
} rows[] = {
    {"08", PG_AWAY},              /* connection exceptions */
    {"25006", PG_REFUSES_WRITES}, /* read-only transaction */
    {"28", PG_REFUSES_US},        /* invalid authorization specification */
    {"3D000", PG_REFUSES_US},     /* no such database */
    {"3F000", PG_UNMIGRATED},     /* no such schema */
    {"42501", PG_REFUSES_US},     /* insufficient privilege */
    {"42P01", PG_UNMIGRATED},     /* no such table */
    {"42703", PG_UNMIGRATED},     /* no such column */
    {"42704", PG_UNMIGRATED},     /* no such object */
    {"42883", PG_UNMIGRATED},     /* no such function */
    {"42P10", PG_UNMIGRATED},     /* no such unique index for ON CONFLICT */
    {"53100", PG_REFUSES_WRITES}, /* disk full */
    {"53300", PG_NOT_READY},      /* too many connections */
    {"53", PG_REFUSES_WRITES},    /* memory and other resources */
    {"57P", PG_NOT_READY},        /* shutting down, starting, dropped */
    {"58", PG_REFUSES_WRITES},    /* system errors, of files mostly */
};

static bool is_sqlstate(const char *text)
{
    for (int i = 0; i < SQLSTATE_LEN; i++)
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'A' && text[i] <= 'Z')))
            return false;
    return true;
}

enum pg_state pg_state_of(const char *sqlstate)
{
    if (!is_sqlstate(sqlstate))
        return PG_SERVES;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (strncmp(sqlstate, rows[i].begin, strlen(rows[i].begin)) == 0)
            return rows[i].state;
    return PG_SERVES;
}

enum pg_state pg_state_of_connecting(const char *text)
{
    for (const char *at = text; *at; at++) {
        bool begins = at == text || at[-1] == ' ';

        if (begins && is_sqlstate(at) && at[SQLSTATE_LEN] == ':' && pg_state_of(at) != PG_SERVES)
            return pg_state_of(at);
    }
    return PG_AWAY;
}

enum pg_state pg_state_of_error(int code, const char *text)
{
    bool has_sqlstate = text && is_sqlstate(text) && text[SQLSTATE_LEN] == ':';

    switch ((enum error_code) - code) {
    case E_NONE:
    case E_CANCELED:
    case E_LIMIT:
    case E_CONFLICT:
    case E_CONTENT:
        return PG_SERVES;
    case E_TIMEOUT: /* with a SQLSTATE it was the statement's own */
        return has_sqlstate ? PG_SERVES : PG_SLOW;
    case E_REJECTED:
        return has_sqlstate ? pg_state_of(text) : PG_SERVES;
    case E_UNAVAILABLE:
    case E_AMBIGUOUS:
    case E_CLOSED:
    case E_SYSTEM:
    case E_INVALID:
    case E_PROTOCOL:
    case E_NOT_FOUND:
    case E_DENIED:
    case E_INTERNAL:
        return has_sqlstate ? pg_state_of(text) : PG_AWAY;
    }
    return PG_AWAY;
}

const char *pg_state_word(enum pg_state state)
{
    static const char *const names[PG_STATES] = {
        "serves", "away", "not ready", "refuses writes", "refuses us", "slow", "unmigrated",
    };

    return names[state];
}
