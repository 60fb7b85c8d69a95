#pragma once
/* Inside the store: the writes of a group as rows, in columns (write_columns.h). Pure. */

#include "shared/store/leases/run_group.h"
#include "shared/store/leases/write_columns.h"
#include "shared/store/store.h"

/* So many models of a group are found again; those beyond get a row each time. */
#define WRITE_ROWS_MODELS_MAX 16

struct write_rows {
    struct buf columns[WRITE_COLUMNS];
    const struct model_usage *known[WRITE_ROWS_MODELS_MAX];
    size_t known_count;
};

void write_rows_init(struct write_rows *rows);
void write_rows_deinit(struct write_rows *rows);
bool write_rows_empty(const struct write_rows *rows);

void write_rows_add(struct write_rows *rows, size_t n, const struct run_write *write);

/* Bytes that the write needs in a group, roughly. */
size_t run_write_bytes(const struct run_write *write);

/* Whether a write that leaves `leaves` may follow this state of a run in a worker's hands. */
bool run_write_may_follow(enum run_status now, enum run_status leaves);
