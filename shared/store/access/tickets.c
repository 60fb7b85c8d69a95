/* One statement makes a ticket, one takes it away and tells whose it was. */

#include "shared/store/access/tickets.h"

#include "shared/base/digest.h"
#include "shared/store/access/secret.h"
#include "shared/store/rows.h"

_Static_assert(TICKET_TEXT_SIZE == SECRET_CHARS + 1, "a ticket is a bare secret");

/* clang-format off */
static const struct pg_statement ticket_create = {
    .name = "ticket_create",
    .sql =
        "INSERT INTO tickets (hash, tenant_id, key_id, thread_id, expires_at)"
        " SELECT $1, $2, $3, $4, now() + " SQL_STRING(TICKET_MS) " * interval '1 ms'"
        " WHERE $4 IS NULL"
        "    OR EXISTS (SELECT 1 FROM threads t WHERE t.id = $4 AND t.tenant_id = $2)"
        " RETURNING " SQL_SECONDS("expires_at"),
    .types = "yuuu",
};

static const struct pg_statement ticket_take = {
    .name = "ticket_take",
    .sql =
        "WITH t AS ("
        "    DELETE FROM tickets"
        "    WHERE hash = $1"
        "    RETURNING *)"
        " SELECT t.tenant_id, t.key_id, t.thread_id,"
        "     coalesce(n.requests_per_minute, 0), coalesce(n.tokens_per_minute, 0)"
        " FROM t"
        " JOIN api_keys k ON k.id = t.key_id"
        "   AND k.revoked_at IS NULL"
        " JOIN tenants n ON n.id = t.tenant_id"
        " WHERE t.expires_at > now()",
    .types = "y",
};
/* clang-format on */

static int read_expiry(struct row *row, void *out, struct error *err)
{
    *(int64_t *)out = row_int(row);
    return row_check(row, err);
}

static int read_holder(struct row *row, void *out, struct error *err)
{
    struct ticket_holder *holder = out;

    holder->tenant = row_uuid(row);
    holder->key = row_uuid(row);
    holder->thread = row_uuid(row);
    holder->rates.requests_per_minute = row_int(row);
    holder->rates.tokens_per_minute = row_int(row);
    return row_check(row, err);
}

int tickets_create(const struct store *store, struct uuid key, struct uuid thread,
                   char out_ticket[TICKET_TEXT_SIZE], int64_t *out_expires_at, struct error *err)
{
    static const struct row_kind made = {read_expiry, sizeof(int64_t), THREAD_MISSING};
    char ticket[TICKET_TEXT_SIZE];
    uint8_t hash[SHA256_BYTES];
    int r;

    secret_new(ticket);
    sha256(text_of(ticket), hash);

    struct pg_value values[4] = {
        pg_bytes((struct text){(const char *)hash, sizeof(hash)}),
        pg_uuid(store->tenant),
        pg_uuid(key),
        value_uuid_or_null(thread),
    };
    r = store_one(store, &made, &(struct pg_query){&ticket_create, values}, out_expires_at, err);
    if (r == 0)
        memcpy(out_ticket, ticket, sizeof(ticket));
    return r;
}

int tickets_take(struct pg *pg, struct text ticket, struct ticket_holder *out, struct error *err)
{
    static const struct row_kind taken = {read_holder, sizeof(struct ticket_holder),
                                          TICKET_MISSING};
    struct store store = {.pg = pg};
    uint8_t hash[SHA256_BYTES];

    if (ticket.len != SECRET_CHARS)
        return TICKET_MISSING;
    sha256(ticket, hash);

    struct pg_value values[1] = {pg_bytes((struct text){(const char *)hash, sizeof(hash)})};
    return store_one(&store, &taken, &(struct pg_query){&ticket_take, values}, out, err);
}
