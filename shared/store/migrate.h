#pragma once
/* Applies migrations/NNNN_name.sql, which are built into the program.
 *
 * Each runs in a transaction of its own together with its row in schema_migrations, under an
 * advisory lock, so any number of processes may do so at once. A database with a migration that
 * this program does not know (it is older than the database), or whose text was changed after it
 * was applied, is refused before anything is done. Migrations are never edited, only added.
 */

#include "shared/store/store.h"

struct migration {
    int version;
    const char *name;
    const char *sql; /* ends with a zero */
    size_t sql_bytes;
};

/* All, in order of version; static. */
extern const struct migration migrations_embedded[];
extern const size_t migrations_embedded_count;

struct migrate_status {
    int known;   /* highest version of this program */
    int applied; /* highest version of the database; 0: empty */
    int pending; /* how many are to be applied */
};

/* `store` needs pg and arena. Returns 0; -E_CONFLICT: a changed, unknown or missing migration, the
 * text says which and what to do. The pg's time limits apply to each migration. */
SUSPENDS MUSTCHECK int migrate_status(const struct store *store, struct migrate_status *out,
                                      struct error *err);

/* Whether the database has all migrations of this program. Returns 0; -E_CONFLICT as above, or with
 * what to run. */
SUSPENDS MUSTCHECK int migrate_check(struct pg *pg, struct error *err);

/* *out_applied (may be NULL): how many were applied by this call. Otherwise as migrate_status. */
SUSPENDS MUSTCHECK int migrate_apply(const struct store *store, int *out_applied,
                                     struct error *err);

/* The same with a given list instead of the embedded one (tests). */
SUSPENDS MUSTCHECK int migrate_apply_list(const struct store *store, const struct migration *list,
                                          size_t count, int *out_applied, struct error *err);
