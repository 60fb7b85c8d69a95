#pragma once
/* Inside the store: rows of files. */

#include "shared/store/files/files.h"
#include "shared/store/rows.h"

/* Of the table's alias f. */
/* clang-format off */
#define FILE_COLUMNS \
    "f.id, f.filename, f.purpose, f.bytes," \
    " " SQL_SECONDS("f.created_at") "," \
    " " SQL_SECONDS("f.expires_at")

/* Inserts the file for the blob of `settled` (blob_rows.h); parameters $6 to $9 are its id, name,
 * purpose and seconds (new_file_values). */
#define SQL_INSERT_FILE \
    "INSERT INTO files (id, tenant_id, blob_id, filename, purpose, bytes, expires_at)" \
    " SELECT $6, $1, settled.id, $7, $8, $4, now() + $9 * interval '1 second'" \
    " FROM settled"
#define NEW_FILE_TYPES SETTLE_TYPES "utti"
/* clang-format on */

#define NEW_FILE_VALUES 9

void new_file_values(const struct store *store, const struct new_file *file,
                     const struct blob_content *content, struct pg_value values[NEW_FILE_VALUES]);

/* Reads FILE_COLUMNS. */
int file_read(struct row *row, void *out, struct error *err);
