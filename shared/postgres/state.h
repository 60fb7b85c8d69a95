#pragma once
/* In what state Postgres is for us, judged by what it answers. Each answer that is no success and
 * not the fault of the statement is one of a few states: none of them loses anything, since whoever
 * writes tries again, but people must be told which it is. */

enum pg_state {
    PG_SERVES,
    PG_AWAY,           /* no connection */
    PG_NOT_READY,      /* it starts, stops or recovers, or has no connection left for us */
    PG_REFUSES_WRITES, /* a replica or read-only, or its disk is full */
    PG_REFUSES_US,     /* the password, the database's name, the rights */
    PG_SLOW,           /* connected, and no answer in time */
    PG_UNMIGRATED,     /* a table, column or function of ours is missing */
    PG_STATES,
};

/* What a SQLSTATE says of the server; PG_SERVES for those that concern a statement alone (such as
 * 23505) and for what is no SQLSTATE. Pure. */
enum pg_state pg_state_of(const char *sqlstate);

/* Why a connection could not be made: by the first SQLSTATE within the text that says it, else it
 * is away. Pure. */
enum pg_state pg_state_of_connecting(const char *text);

/* What the error of a call says: `code` as postgres.h returns it (0, or negative), `text` the
 * error's text, which begins with the SQLSTATE where there is one. A cancelled call says nothing.
 * Pure. */
enum pg_state pg_state_of_error(int code, const char *text);

/* "serves", "away", "not ready", "refuses writes", "refuses us", "slow", "unmigrated". */
const char *pg_state_word(enum pg_state state);
