#pragma once
/* Inside the store: the writes of a group as rows of JSON, an array for each kind of rows. Each row
 * names its write by `n`. Numbers of heads are quoted: Postgres reads an int8 from a string at
 * once, and from a JSON number by way of a numeric. Pure. */

#include "shared/json/json_write.h"
#include "shared/store/leases/run_group.h"
#include "shared/store/store.h"

/* Objects in an array that is begun with the first of them. */
struct json_rows {
    struct buf buf;
    struct json_write json;
};

void json_rows_init(struct json_rows *rows);
void json_rows_deinit(struct json_rows *rows);
bool json_rows_empty(const struct json_rows *rows);

/* Begins a row, which is ended with json_write_close. */
struct json_write *json_rows_begin(struct json_rows *rows, size_t n);

/* Ends the array. NULL for one without rows. Borrows. */
struct pg_value json_rows_value(struct json_rows *rows);

/* The kinds of rows, in the order of the group statement's parameters. */
enum write_rows_kind {
    WRITE_HEADS,
    WRITE_MESSAGES,
    WRITE_CALLS,
    WRITE_STEPS,
    WRITE_MODELS, /* that were used; a row's `n` is its place among them */
    WRITE_USAGE,  /* of writes that used several */
    WRITE_ROWS_KINDS,
};

/* So many models of a group are found again; those beyond get a row each time. */
#define WRITE_ROWS_MODELS_MAX 16

struct write_rows {
    struct json_rows of[WRITE_ROWS_KINDS];
    const struct model_usage *known[WRITE_ROWS_MODELS_MAX];
    size_t known_count;
    size_t models_count;
};

void write_rows_init(struct write_rows *rows);
void write_rows_deinit(struct write_rows *rows);
bool write_rows_empty(const struct write_rows *rows);

void write_rows_add(struct write_rows *rows, size_t n, const struct run_write *write);

/* Ends all. Borrows. */
void write_rows_values(struct write_rows *rows, struct pg_value values[WRITE_ROWS_KINDS]);

/* Returns 0, or -E_LIMIT: they have become too large. */
MUSTCHECK int write_rows_check(const struct write_rows *rows, struct error *err);

/* Bytes that the write needs in a group, roughly. */
size_t run_write_bytes(const struct run_write *write);

/* Whether a write that leaves `leaves` may follow this state of a run in a worker's hands. */
bool run_write_may_follow(enum run_status now, enum run_status leaves);
