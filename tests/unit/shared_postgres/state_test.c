/* From what Postgres answers to the state that it is in. */

#include <criterion/criterion.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/postgres/postgres.h"

struct row {
    const char *sqlstate;
    enum pg_state state;
};

Test(pg_state, each_sqlstate_is_one_state)
{
    static const struct row rows[] = {
        {"08006", PG_AWAY},           {"25006", PG_REFUSES_WRITES}, {"28000", PG_REFUSES_US},
        {"28P01", PG_REFUSES_US},     {"3D000", PG_REFUSES_US},     {"3F000", PG_UNMIGRATED},
        {"42501", PG_REFUSES_US},     {"42P01", PG_UNMIGRATED},     {"42703", PG_UNMIGRATED},
        {"42704", PG_UNMIGRATED},     {"42883", PG_UNMIGRATED},     {"42P10", PG_UNMIGRATED},
        {"53100", PG_REFUSES_WRITES}, {"53200", PG_REFUSES_WRITES}, {"53300", PG_NOT_READY},
        {"57P01", PG_NOT_READY},      {"57P02", PG_NOT_READY},      {"57P03", PG_NOT_READY},
        {"58030", PG_REFUSES_WRITES},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        cr_expect_eq(pg_state_of(rows[i].sqlstate), rows[i].state, "%s: %s", rows[i].sqlstate,
                     pg_state_word(pg_state_of(rows[i].sqlstate)));
}

Test(pg_state, what_concerns_a_statement_alone_is_no_state)
{
    static const char *const sqlstates[] = {"00000", "22021", "23502", "23505", "40001", "40P01",
                                            "42601", "55P03", "57014", "",      "FATAL", "a word"};

    for (size_t i = 0; i < ARRAY_LENGTH(sqlstates); i++)
        cr_expect_eq(pg_state_of(sqlstates[i]), PG_SERVES, "%s", sqlstates[i]);
}

Test(pg_state, an_error_of_a_call_is_judged_by_its_sqlstate_and_its_code)
{
    static const struct {
        int code;
        const char *text;
        enum pg_state state;
    } rows[] = {
        {0, "", PG_SERVES},
        {-E_CANCELED, "cancelled", PG_SERVES},
        {-E_CONFLICT, "23505: duplicate key", PG_SERVES},
        {-E_LIMIT, "over 64 MiB", PG_SERVES},
        {-E_REJECTED, "42P01: relation \"runs\" does not exist", PG_UNMIGRATED},
        {-E_REJECTED, "23502: null value", PG_SERVES},
        {-E_REJECTED, "in a failed transaction", PG_SERVES},
        {-E_TIMEOUT, "57014: canceling statement due to statement timeout", PG_SERVES},
        {-E_TIMEOUT, "the database did not answer within 5000 ms", PG_SLOW},
        {-E_UNAVAILABLE, "25006: cannot execute INSERT in a read-only transaction",
         PG_REFUSES_WRITES},
        {-E_UNAVAILABLE, "55P03: canceling statement due to lock timeout", PG_SERVES},
        {-E_UNAVAILABLE, "the database can't be reached: still connecting", PG_AWAY},
        {-E_AMBIGUOUS, "the database connection broke after sending", PG_AWAY},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        cr_expect_eq(pg_state_of_error(rows[i].code, rows[i].text), rows[i].state, "%s",
                     rows[i].text);
    for (int code = 0; code <= E_INTERNAL; code++)
        cr_expect_lt(pg_state_of_error(-code, NULL), PG_STATES);
}

Test(pg_state, why_a_connection_was_refused_is_found_in_the_text_of_libpq)
{
    cr_expect_eq(pg_state_of_connecting("connection to server at \"127.0.0.1\", port 5432 failed: "
                                        "FATAL:  28P01: password authentication failed for user"),
                 PG_REFUSES_US);
    cr_expect_eq(
        pg_state_of_connecting("connection to server on socket \"/run/.s.PGSQL.5432\" "
                               "failed: FATAL:  57P03: the database system is starting up"),
        PG_NOT_READY);
    cr_expect_eq(
        pg_state_of_connecting("connection failed: FATAL:  53300: sorry, too many clients"),
        PG_NOT_READY);
    cr_expect_eq(pg_state_of_connecting("connection failed: Connection refused"), PG_AWAY);
    cr_expect_eq(pg_state_of_connecting(""), PG_AWAY);
}

Test(pg_state, every_state_has_a_word)
{
    for (int state = 0; state < PG_STATES; state++)
        cr_expect_gt(strlen(pg_state_word((enum pg_state)state)), 3);
}
