/* `penstock migrate`: the schema of the database. */

#include <stdio.h>

#include "scheduler/cli/database/database.h"
#include "shared/store/migrate.h"

static int migrate(struct store *store, const struct arguments *args, struct error *err)
{
    struct migrate_status status;
    int applied = 0;
    int r;

    if (arguments_has(args, "status")) {
        r = migrate_status(store, &status, err);
        if (r < 0)
            return r;
        printf("database %d, program %d, %d to apply\n", status.applied, status.known,
               status.pending);
        return status.pending > 0 ? COMMAND_FAILED : COMMAND_OK;
    }
    r = migrate_apply(store, &applied, err);
    if (r < 0)
        return r;
    if (applied > 0)
        printf("applied %d migration%s\n", applied, applied == 1 ? "" : "s");
    else
        printf("the database is up to date\n");
    return COMMAND_OK;
}

static int run_migrate(const struct arguments *args)
{
    return database_run_unmigrated(args, migrate);
}

static const struct option_spec migrate_options[] = {
    {"status", 0, NULL, "only say what is applied; exit code 1 when something is pending", 0, 0},
};

const struct command command_migrate = {
    .name = "migrate",
    .arguments = "",
    .summary = "Bring the database's schema up to date",
    .details = "Reads DATABASE_URL. Any number may run at once.",
    .options = migrate_options,
    .options_count = ARRAY_LENGTH(migrate_options),
    .run = run_migrate,
};
