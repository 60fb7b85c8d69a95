/* Applies the migrations that are built into the program
 *
 * One transaction per migration: lock, look what is there, apply the next one, note it, commit. The
 * look is made again under the lock each time, so processes that migrate at once take turns and
 * each migration happens once. A process that dies in between leaves whole migrations only.
 */

#include "shared/store/migrate.h"

#include "shared/base/digest.h"
#include "shared/store/rows.h"

/* "penstock" as a number; it only has to be ours. */
#define LOCK_KEY "8097874551225051499"

static const struct pg_statement history_exists = {
    .name = "migrate_exists",
    .sql = "SELECT to_regclass('schema_migrations') IS NOT NULL",
    .types = "",
};

static const struct pg_statement history_get = {
    .name = "migrate_history",
    .sql = "SELECT version, name, checksum FROM schema_migrations ORDER BY version",
    .types = "",
};

static const struct pg_statement history_add = {
    .name = "migrate_add",
    .sql = "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
    .types = "itt",
};

/* clang-format off */
static const char lock_script[] =
    "SET LOCAL statement_timeout = 0;"
    "SET LOCAL lock_timeout = 0;"
    "SET LOCAL client_min_messages = warning;"
    "SELECT pg_advisory_xact_lock(" LOCK_KEY ");"
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    "    version int8 PRIMARY KEY,"
    "    name text NOT NULL,"
    "    checksum text NOT NULL,"
    "    applied_at timestamptz NOT NULL DEFAULT now())";
/* clang-format on */

static void checksum_of(const struct migration *migration, char out[SHA256_TEXT_SIZE])
{
    sha256_hex((struct text){migration->sql, migration->sql_bytes}, out);
}

/* Is the history a beginning of our list? *out_applied: how much of it. */
static int history_check(const struct pg_result *history, const struct migration *list,
                         size_t count, size_t *out_applied, struct error *err)
{
    char checksum[SHA256_TEXT_SIZE];

    for (int i = 0; i < pg_rows(history); i++) {
        int64_t version = pg_get_int(history, i, 0);
        const char *name = pg_get_string(history, i, 1);

        if ((size_t)i >= count)
            return error_set(err, E_CONFLICT,
                             "the database has migration %lld (%s), which this program does not"
                             " know: it needs a newer version of the program",
                             (long long)version, name);
        if (version != list[i].version)
            return error_set(err, E_CONFLICT,
                             "the database has migration %lld (%s) where number %d (%s) is"
                             " missing: it was not made by this program's migrations",
                             (long long)version, name, list[i].version, list[i].name);
        checksum_of(&list[i], checksum);
        if (!text_is(pg_get_text(history, i, 2), checksum))
            return error_set(err, E_CONFLICT,
                             "migration %lld (%s) was changed after it was applied: use the"
                             " program that applied it, or put the file back as it was",
                             (long long)version, name);
    }
    *out_applied = (size_t)pg_rows(history);
    return 0;
}

int migrate_status(const struct store *store, struct migrate_status *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *exists = NULL;
    CLEANUP(pg_result_freep) struct pg_result *history = NULL;
    struct migrate_status status = {.known = (int)migrations_embedded_count};
    size_t applied = 0;
    int r;

    r = pg_exec(store->pg, &history_exists, NULL, &exists, err);
    if (r < 0)
        return r;
    if (pg_get_bool(exists, 0, 0)) {
        r = pg_exec(store->pg, &history_get, NULL, &history, err);
        if (r < 0)
            return r;
        r = history_check(history, migrations_embedded, migrations_embedded_count, &applied, err);
        if (r < 0)
            return r;
    }
    status.applied = (int)applied;
    status.pending = (int)(migrations_embedded_count - applied);
    *out = status;
    return 0;
}

int migrate_check(struct pg *pg, struct error *err)
{
    struct migrate_status status;
    struct arena arena;
    struct store store = {.pg = pg, .arena = &arena};
    int r;

    arena_init(&arena, 0);
    r = migrate_status(&store, &status, err);
    arena_deinit(&arena);
    if (r < 0)
        return error_wrap(err, "the database's schema");
    if (status.pending > 0)
        return error_set(err, E_CONFLICT,
                         "the database's schema is at version %d and this program needs %d: run "
                         "`penstock migrate`",
                         status.applied, status.known);
    return 0;
}

/* Within the transaction, under the lock. *out_done: nothing was left to do. */
static int apply_next_locked(struct pg_tx *tx, const struct migration *list, size_t count,
                             bool *out_done, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *history = NULL;
    char checksum[SHA256_TEXT_SIZE];
    const struct migration *next;
    size_t applied;
    int r;

    r = pg_tx_script(tx, lock_script, err);
    if (r < 0)
        return r;
    r = pg_tx_exec(tx, &history_get, NULL, &history, err);
    if (r < 0)
        return r;
    r = history_check(history, list, count, &applied, err);
    if (r < 0)
        return r;
    *out_done = applied == count;
    if (*out_done)
        return 0;
    next = &list[applied];
    r = pg_tx_script(tx, next->sql, err);
    if (r < 0)
        return error_wrap(err, "migration %d (%s)", next->version, next->name);
    checksum_of(next, checksum);

    struct pg_value values[3] = {pg_int(next->version), pg_string(next->name), pg_string(checksum)};
    return pg_tx_exec(tx, &history_add, values, NULL, err);
}

static int apply_next(struct pg *pg, const struct migration *list, size_t count, bool *out_done,
                      struct error *err)
{
    struct pg_tx *tx;
    int r;

    r = pg_begin(pg, &tx, err);
    if (r < 0)
        return r;
    r = apply_next_locked(tx, list, count, out_done, err);
    if (r < 0) {
        pg_rollback(tx);
        return r;
    }
    return pg_commit(tx, err);
}

int migrate_apply_list(const struct store *store, const struct migration *list, size_t count,
                       int *out_applied, struct error *err)
{
    int applied = 0;

    for (size_t i = 0; i < count; i++)
        ASSERT(list[i].version == (int)i + 1);
    for (;;) {
        bool done = false;
        int r;

        r = apply_next(store->pg, list, count, &done, err);
        if (r < 0)
            return r;
        if (done)
            break;
        applied++;
    }
    if (out_applied)
        *out_applied = applied;
    return 0;
}

int migrate_apply(const struct store *store, int *out_applied, struct error *err)
{
    return migrate_apply_list(store, migrations_embedded, migrations_embedded_count, out_applied,
                              err);
}
