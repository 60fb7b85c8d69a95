/* Statements: from our values to libpq's parallel arrays.
 *
 * uuid, int8, bool, bytea and arrays travel in binary format. The rest travels as text, because
 * Postgres may infer any type for it (a timestamptz, an enum), and libpq wants those ended by a
 * zero: they are copied into a scratch buffer, which libpq copies again before the call returns. A
 * zero byte inside would cut such a text short without a word; Postgres can't store one either, so
 * it is refused here with the SQLSTATE that the server would give.
 */

#include "shared/postgres/statement.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"

#define SCRATCH_KEEP_BYTES ((size_t)1024 * 1024)
#define SET_SIZE_FIRST     64
#define NAME_SIZE          64 /* the server's NAMEDATALEN: it cuts longer names */

struct bound {
    const char *values[PG_VALUES_MAX];
    int lengths[PG_VALUES_MAX];
    int formats[PG_VALUES_MAX];
};

static Oid type_oid(char letter)
{
    switch (letter) {
    case 'u':
        return 2950;
    case 'i':
        return 20;
    case 'b':
        return 16;
    case 't':
        return 0; /* inferred */
    case 'j':
        return 3802;
    case 'w':
        return 114;
    case 'y':
        return 17;
    case 'U':
        return 2951;
    case 'I':
        return 1016;
    case 'B':
        return 1000;
    case 'T':
        return 1009;
    case 'J':
        return 3807;
    case 'W':
        return 199;
    }
    ASSERT(!"a letter of struct pg_statement.types");
}

Oid pg_element_oid(char letter)
{
    switch (letter) {
    case 'U':
        return type_oid('u');
    case 'I':
        return type_oid('i');
    case 'B':
        return type_oid('b');
    case 'T':
        return 25;
    case 'J':
        return type_oid('j');
    case 'W':
        return type_oid('w');
    }
    ASSERT(!"a letter of an array");
}

/* Bytes of a value in binary format inside itself, or 0. */
static int inline_length(char letter)
{
    switch (letter) {
    case 'u':
        return 16;
    case 'i':
        return 8;
    case 'b':
        return 1;
    }
    return 0;
}

static bool is_text_format(const struct pg_value *value)
{
    return value->type == 't' || value->type == 'j' || value->type == 'w';
}

static size_t count_values(const struct pg_statement *statement)
{
    size_t count = strlen(statement->types);

    ASSERT(count <= PG_VALUES_MAX);
    return count;
}

int pg_statement_check(const struct pg_query *query, size_t *bytes, struct error *err)
{
    const struct pg_statement *statement = query->statement;
    size_t count = count_values(statement);
    size_t sum = 64 + count * 16;

    ASSERT(statement->name[0] && strlen(statement->name) < NAME_SIZE);
    ASSERT(count == 0 || query->values);
    for (size_t i = 0; i < count; i++) {
        const struct pg_value *value = &query->values[i];

        ASSERT(!value->type || value->type == statement->types[i]);
        if (!value->type || inline_length(value->type) > 0)
            continue;
        if (value->text.len > PG_REQUEST_MAX_BYTES)
            return error_set(err, E_LIMIT, "value %zu of statement %s is too large", i + 1,
                             statement->name);
        if (is_text_format(value) && value->text.len > 0 &&
            memchr(value->text.ptr, 0, value->text.len))
            return error_set(err, E_CONTENT, "22021: value %zu of statement %s has a zero byte",
                             i + 1, statement->name);
        sum += value->text.len;
    }
    *bytes += sum;
    if (*bytes > PG_REQUEST_MAX_BYTES)
        return error_set(err, E_LIMIT, "the values of statement %s are over %zu MiB",
                         statement->name, PG_REQUEST_MAX_BYTES >> 20);
    return 0;
}

bool pg_statement_send_prepare(PGconn *conn, const struct pg_statement *statement)
{
    size_t count = count_values(statement);
    Oid types[PG_VALUES_MAX];

    for (size_t i = 0; i < count; i++)
        types[i] = type_oid(statement->types[i]);
    return PQsendPrepare(conn, statement->name, statement->sql, (int)count, types) == 1;
}

/* Copies the texts, each ended by a zero, one after the other. NULL when memory runs out. */
static char *reserve_texts(const struct pg_query *query, size_t count, struct buf *scratch)
{
    size_t total = 1;

    for (size_t i = 0; i < count; i++) {
        if (is_text_format(&query->values[i]))
            total += query->values[i].text.len + 1;
    }
    buf_reset(scratch);
    return buf_reserve(scratch, total);
}

static bool bind_values(const struct pg_query *query, size_t count, struct buf *scratch,
                        struct bound *out)
{
    char *at = reserve_texts(query, count, scratch);

    if (!at)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct pg_value *value = &query->values[i];
        int fixed = inline_length(value->type);

        out->values[i] = NULL;
        out->lengths[i] = fixed;
        out->formats[i] = 0;
        if (!value->type)
            continue;
        if (fixed > 0) {
            out->values[i] = (const char *)value->inline_bytes;
            out->formats[i] = 1;
        } else if (is_text_format(value)) {
            out->values[i] = at;
            if (value->text.len > 0)
                memcpy(at, value->text.ptr, value->text.len);
            at += value->text.len;
            *at++ = '\0';
        } else {
            out->values[i] = value->text.ptr;
            out->lengths[i] = (int)value->text.len;
            out->formats[i] = 1;
        }
    }
    return true;
}

bool pg_statement_send(PGconn *conn, const struct pg_query *query, struct buf *scratch)
{
    size_t count = count_values(query->statement);
    struct bound bound;
    bool sent;

    if (!bind_values(query, count, scratch, &bound))
        return false;
    sent = PQsendQueryPrepared(conn, query->statement->name, (int)count, bound.values,
                               bound.lengths, bound.formats, 0) == 1;
    if (scratch->size > SCRATCH_KEEP_BYTES) {
        size_t limit = scratch->limit;

        buf_deinit(scratch);
        buf_init(scratch, limit);
    }
    return sent;
}

static size_t hash_name(const char *name)
{
    uint64_t hash = text_hash(text_of(name));

    return (size_t)(hash ^ (hash >> 32));
}

/* The entry of that name, or the free one where it belongs. */
static struct pg_prepared_entry *find(const struct pg_prepared_set *set,
                                      const struct pg_statement *statement)
{
    for (size_t at = hash_name(statement->name);; at++) {
        struct pg_prepared_entry *entry = &set->entries[at & (set->size - 1)];

        if (!entry->statement)
            return entry;
        if (entry->statement == statement)
            return entry;
        if (strcmp(entry->statement->name, statement->name) == 0) {
            ASSERT(strcmp(entry->statement->sql, statement->sql) == 0); /* names are unique */
            return entry;
        }
    }
}

static void grow(struct pg_prepared_set *set)
{
    struct pg_prepared_set larger = {.size = set->size ? set->size * 2 : SET_SIZE_FIRST,
                                     .count = set->count};

    larger.entries = xcalloc(larger.size, sizeof(*larger.entries));
    for (size_t i = 0; i < set->size; i++) {
        if (set->entries[i].statement)
            *find(&larger, set->entries[i].statement) = set->entries[i];
    }
    free(set->entries);
    *set = larger;
}

void pg_prepared_deinit(struct pg_prepared_set *set)
{
    free(set->entries);
    *set = (struct pg_prepared_set){0};
}

enum pg_prepared pg_prepared_get(const struct pg_prepared_set *set,
                                 const struct pg_statement *statement)
{
    const struct pg_prepared_entry *entry = set->size ? find(set, statement) : NULL;

    return entry && entry->statement ? entry->state : PG_PREPARED_NOT;
}

void pg_prepared_put(struct pg_prepared_set *set, const struct pg_statement *statement,
                     enum pg_prepared state)
{
    struct pg_prepared_entry *entry;

    if (set->count * 2 >= set->size)
        grow(set);
    entry = find(set, statement);
    if (!entry->statement)
        set->count++;
    entry->statement = statement;
    entry->state = state;
}
