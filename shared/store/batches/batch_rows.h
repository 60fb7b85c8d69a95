#pragma once
/* Inside the store: rows of batches. */

#include "shared/store/batches/batches.h"
#include "shared/store/rows.h"
#include "shared/store/usage/usage_rows.h"

/* clang-format off */
#define BATCH_COLUMNS \
    "b.id, b.tenant_id, b.endpoint, b.input_file, b.window_seconds, b.output_seconds, b.metadata," \
    " b.state, b.ending, b.lines, b.input_bytes, b.at_byte, b.at_line, b.completed, b.failed," \
    " " USAGE_COLUMNS("b") ", b.model, b.errors, b.output_file, b.error_file," \
    " " SQL_SECONDS("b.created_at") "," \
    " " SQL_SECONDS("b.expires_at") "," \
    " " SQL_SECONDS("b.in_progress_at") "," \
    " " SQL_SECONDS("b.finalizing_at") "," \
    " " SQL_SECONDS("b.cancelling_at") "," \
    " " SQL_SECONDS("b.ended_at") ", b.fence, b.expires_at <= now()," \
    " b.trace ->> 'parent'"

#define SQL_BATCH_OPEN(b) \
    b ".state IN ('validating', 'in_progress', 'finalizing', 'cancelling')"
/* clang-format on */

/* Reads BATCH_COLUMNS. Returns 0, or -E_LIMIT. */
MUSTCHECK int batch_read(struct row *row, void *out, struct error *err);

extern const struct row_kind batch_rows; /* BATCH_MISSING */
