#pragma once
/* Postgres for fibers: one pipelined connection that all fibers share, and a small pool of
 * connections for transactions that need several round trips.
 *
 * Natural batching: what fibers ask for while the previous batch is in flight leaves together, up
 * to PG_BATCH_MAX requests (or `batch_max`), closed by one Sync: one implicit transaction, one
 * fsync. A fiber is woken only when its batch's Sync came back, so a 0 means "committed". When a
 * statement of a batch fails, Postgres has rolled the whole batch back, and the driver runs each
 * request of it again with a Sync of its own: the faulty one fails alone. Deadlocks and
 * serialisation failures are run again (3 times). A statement that waits for somebody's lock holds
 * up what was sent behind it: it waits for 1.5 s at most, and is not run again.
 *
 * Lost connections come back with capped, jittered backoff. A request that was not sent waits for
 * the connection until its deadline; one that was sent fails with -E_AMBIGUOUS: the caller decides,
 * and writes that are compare-and-sets may simply be sent again. A connection that keeps silent is
 * lost when the server says that it does not work on what was sent (probe.h).
 *
 * Statements are prepared on first use per connection, by name; when a migration has made one
 * stale, a new connection is taken and the request is run again. So it is when the server takes no
 * writes, as during a failover. Names resolve on the offload pool; libpq is always given hostaddr
 * or a socket directory, so it never blocks. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/postgres/state.h"

struct error;
struct pg;
struct pg_result; /* libpq's own PGresult */
struct pg_tx;

#define PG_BATCH_MAX   128
#define PG_VALUES_MAX  96
#define PG_QUERIES_MAX 512 /* statements of one request */

struct pg_options {
    const char *url;              /* postgresql://… or a conninfo string; required */
    const char *application_name; /* required */
    int pool_size;                /* transaction connections; default 4 */
    int64_t statement_timeout_ms; /* the server's; default 10 000 */
    int64_t request_timeout_ms;   /* waiting for the connection and the answer; default 15 000 */
    bool custom_plans;            /* statements are planned for the values of each execution */
    bool lazy_commits; /* answered before they are on disk; a crash of the server may undo them */
    /* A server that owes an answer and keeps silent for so long is asked over another connection
     * whether it works on it; default 2000. */
    int64_t silence_ms;
    size_t queue_max; /* requests waiting at most, else -E_UNAVAILABLE; default 100 000 */
    /* Requests of a batch; default PG_BATCH_MAX. 1 where each answer may be megabytes: those of a
     * batch are all held until the last has come, and fail together when that takes too long. */
    size_t batch_max;
};

/* A statement is a static constant. `types` has one letter per parameter, which fixes its type when
 * the statement is prepared:
 *   u uuid   i int8   b bool   t text or whatever Postgres infers   j jsonb   y bytea
 *   w json   U uuid[]   I int8[]   B bool[]   T text[]   J jsonb[]   W json[]
 * (arrays are built with pg_array_*) */
struct pg_statement {
    const char *name; /* unique in the program, shorter than 64 bytes */
    const char *sql;
    const char *types;
};

struct pg_value {
    char type; /* as above, or 0 for NULL */
    struct text text;
    uint8_t inline_bytes[16];
};

struct pg_value pg_uuid(struct uuid value);
struct pg_value pg_int(int64_t value);
struct pg_value pg_bool(bool value);
struct pg_value pg_text(struct text value); /* borrowed until the call returns; TEXT_NONE is NULL */
struct pg_value pg_string(const char *value);          /* NULL is NULL */
struct pg_value pg_json(struct text value);            /* must be valid JSON; TEXT_NONE is NULL */
struct pg_value pg_json_as_written(struct text value); /* the same, for a column of the type json */
struct pg_value pg_bytes(struct text value);
struct pg_value pg_array(char type, struct buf *array); /* type: a capital; borrowed */
struct pg_value pg_null(void);

/* Arrays: begin, add each. Then pg_array('T', &buf). Elements are added as what they are; those of
 * W, which are kept as they are written, as texts. TEXT_NONE is NULL. */
void pg_array_begin(struct buf *buf);
void pg_array_add_uuid(struct buf *buf, struct uuid value);
void pg_array_add_int(struct buf *buf, int64_t value);
void pg_array_add_bool(struct buf *buf, bool value);
void pg_array_add_text(struct buf *buf, struct text value);
void pg_array_add_json(struct buf *buf, struct text value);
void pg_array_add_null(struct buf *buf);
void pg_array_pad(struct buf *buf, size_t count); /* NULLs, until there are so many elements */
void pg_array_of_uuids(struct buf *buf, const struct uuid *ids, size_t count); /* begun and all */
size_t pg_array_count(const struct buf *buf); /* 0 too for one that is not begun */

/* One statement with its values (count = strlen(statement->types)). */
struct pg_query {
    const struct pg_statement *statement;
    const struct pg_value *values;
};

/* Starts connecting in the background; it never waits, but is for fibers only. The url may name
 * several hosts, which are tried in order. Returns 0, or -E_INVALID for a url that is missing or
 * that libpq can't parse. The pg is closed with pg_close, which gives what is running 5 s, and
 * fails what is left. Calls that began before it may still return after it; a transaction that is
 * open must still be ended. */
MUSTCHECK int pg_open(const struct pg_options *options, struct pg **out, struct error *err);
SUSPENDS void pg_close(struct pg *pg); /* accepts NULL */

/* Waits until connected. Returns 0, -E_TIMEOUT (with the last connection error), -E_CANCELED,
 * -E_UNAVAILABLE (closing). */
SUSPENDS MUSTCHECK int pg_wait_ready(struct pg *pg, int64_t deadline_ms, struct error *err);
bool pg_is_ready(const struct pg *pg);

/* What Postgres is to this connection (state.h): why there is none, or what its statements met in
 * the last seconds. *out_why (may be NULL) is set when it does not serve. */
enum pg_state pg_state(const struct pg *pg, struct error *out_why);

/* Run one statement on the shared connection. *out (may be NULL if not wanted) is the caller's to
 * pg_result_free. Returns 0; -E_UNAVAILABLE (nothing was done: not sent, or rolled back for a
 * reason that passes, such as a deadlock, somebody's lock or a full disk); -E_AMBIGUOUS; -E_TIMEOUT
 * (server's or ours: if sent, ambiguous too); -E_CONFLICT (unique or exclusion violation);
 * -E_CONTENT (what was given can't be stored, now or later); -E_REJECTED (any other SQL error);
 * the text of both begins with the SQLSTATE; -E_LIMIT (values over 64 MiB, or an array that outgrew
 * its buf); -E_CANCELED (ambiguous if sent). */
SUSPENDS MUSTCHECK int pg_exec(struct pg *pg, const struct pg_statement *statement,
                               const struct pg_value *values, struct pg_result **out,
                               struct error *err);

/* Several statements as one request: adjacent in one batch, so all or none. out_results (NULL, or
 * an array of count) is filled on 0 only. -E_LIMIT too for more than PG_QUERIES_MAX. */
SUSPENDS MUSTCHECK int pg_exec_all(struct pg *pg, const struct pg_query *queries, size_t count,
                                   struct pg_result **out_results, struct error *err);

/* Waits while a batch is out on the shared connection: what is asked next leaves with the next one
 * either way, so who gathers things for one statement may gather until then. At once while there is
 * no connection. Returns early when cancelled. */
SUSPENDS void pg_await_turn(struct pg *pg);

/* A transaction on a pooled connection; waits for a free one. End it with pg_commit or pg_rollback,
 * both of which free it, whatever they return. A connection whose exchange was interrupted is
 * closed, not reused; what follows in that transaction fails with -E_UNAVAILABLE.
 *
 * pg_begin returns 0, -E_UNAVAILABLE (no free or no working connection in time; nothing was done)
 * or -E_CANCELED. pg_tx_exec returns what pg_exec does, but never -E_AMBIGUOUS: a lost connection
 * is -E_UNAVAILABLE, since the server rolls back. A failed statement fails the whole transaction:
 * then pg_commit is -E_REJECTED. pg_commit is -E_AMBIGUOUS, -E_TIMEOUT or -E_CANCELED when the
 * answer to COMMIT did not come (in a fiber that is cancelled already it rolls back). */
SUSPENDS MUSTCHECK int pg_begin(struct pg *pg, struct pg_tx **out, struct error *err);
SUSPENDS MUSTCHECK int pg_tx_exec(struct pg_tx *tx, const struct pg_statement *statement,
                                  const struct pg_value *values, struct pg_result **out,
                                  struct error *err);
/* SQL text that may hold several statements and no parameters (migrations); no COPY. As pg_tx_exec,
 * but -E_AMBIGUOUS when the connection is lost, since the text may commit by itself. */
SUSPENDS MUSTCHECK int pg_tx_script(struct pg_tx *tx, const char *sql, struct error *err);
SUSPENDS MUSTCHECK int pg_commit(struct pg_tx *tx, struct error *err);
SUSPENDS void pg_rollback(struct pg_tx *tx); /* accepts NULL */

/* Results, in text format. A row or column out of range is a programmer error. */
int pg_rows(const struct pg_result *result);
size_t pg_result_bytes(const struct pg_result *result); /* of memory, about */
bool pg_is_null(const struct pg_result *result, int row, int column);
struct text pg_get_text(const struct pg_result *result, int row, int column); /* NULL: TEXT_NONE */
const char *pg_get_string(const struct pg_result *result, int row, int column); /* NULL: NULL */
int64_t pg_get_int(const struct pg_result *result, int row, int column);        /* NULL: 0 */
bool pg_get_bool(const struct pg_result *result, int row, int column);
struct uuid pg_get_uuid(const struct pg_result *result, int row, int column); /* NULL: zero */
/* A bytea, whose bytes are written to `to`. Returns how many there are, at most `size`; 0 for
 * NULL. */
size_t pg_get_bytes(const struct pg_result *result, int row, int column, uint8_t *to, size_t size);
void pg_result_free(struct pg_result *result);
void pg_result_freep(struct pg_result **result);

struct pg_stats {
    uint64_t requests;
    uint64_t batches;
    uint64_t reruns; /* requests run again alone after their batch failed */
    uint64_t ambiguous;
    uint64_t reconnects;
    size_t queued;    /* waiting now */
    size_t in_flight; /* sent, not answered */
};
void pg_stats_get(const struct pg *pg, struct pg_stats *out);
