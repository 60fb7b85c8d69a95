#pragma once
/* Statements: checking their values, sending them to libpq, and which ones a connection has
 * prepared. Internal to shared/postgres. */

#include <libpq-fe.h>

#include "shared/base/text.h"
#include "shared/postgres/postgres.h"

#define PG_REQUEST_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define PG_LENGTH_OVERFLOWN  SIZE_MAX /* the text.len of an array that outgrew its buf */

/* The type of an array's elements; `letter` is the array's. */
Oid pg_element_oid(char letter);

/* Asserts that types and values agree. Returns 0 and adds the size of the query to *bytes; -E_LIMIT
 * when that is over PG_REQUEST_MAX_BYTES; -E_CONTENT for a zero byte in a text. */
MUSTCHECK int pg_statement_check(const struct pg_query *query, size_t *bytes, struct error *err);

/* Hand to libpq, which copies everything. False when libpq refuses: the connection is of no use. */
MUSTCHECK bool pg_statement_send_prepare(PGconn *conn, const struct pg_statement *statement);
MUSTCHECK bool pg_statement_send(PGconn *conn, const struct pg_query *query, struct buf *scratch);

/* What one connection knows of a statement. SENT: the answer is still out. */
enum pg_prepared { PG_PREPARED_NOT, PG_PREPARED_SENT, PG_PREPARED_READY };

struct pg_prepared_entry {
    const struct pg_statement *statement; /* NULL: free */
    enum pg_prepared state;
};

/* A hash table by name. All zero is empty. */
struct pg_prepared_set {
    struct pg_prepared_entry *entries;
    size_t size; /* a power of two */
    size_t count;
};

void pg_prepared_deinit(struct pg_prepared_set *set);
enum pg_prepared pg_prepared_get(const struct pg_prepared_set *set,
                                 const struct pg_statement *statement);
void pg_prepared_put(struct pg_prepared_set *set, const struct pg_statement *statement,
                     enum pg_prepared state);
