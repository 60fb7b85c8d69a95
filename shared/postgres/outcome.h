#pragma once
/* What an answer of the server means. Internal to shared/postgres. */

#include <libpq-fe.h>

#include "shared/base/compiler.h"

struct error;

enum pg_verdict {
    PG_DONE,    /* rows or a command tag */
    PG_FAILED,  /* this statement was refused and its transaction is rolled back */
    PG_SKIPPED, /* not run, because one before it failed */
    PG_LOST,    /* the server ends the connection; whether it committed is not known */
    PG_STRANGE, /* nothing that our statements can cause */
};

enum pg_verdict pg_outcome_of(const PGresult *result);

/* Deadlock or serialisation failure: the same statement may pass when it is run again. */
bool pg_outcome_is_transient(const PGresult *result);
/* The prepared statement does not fit the schema any more, or is gone, or the server takes no
 * writes (after a failover it is not the primary any more, or not yet): a new connection helps. */
bool pg_outcome_is_stale(const PGresult *result);
/* It used up its time, or that for waiting for locks: it would once more. */
bool pg_outcome_is_timeout(const PGresult *result);

/* Fill *err from a PG_FAILED result: -E_CONFLICT, -E_TIMEOUT, -E_UNAVAILABLE, -E_CONTENT,
 * -E_REJECTED: "SQLSTATE: message". */
int pg_outcome_error(const PGresult *result, struct error *err);

/* The first line of a message of libpq, which may be NULL, without white space at its end. */
void pg_outcome_line(const char *message, char *out, size_t size);
