/* A command's connection to Postgres. */

#include "scheduler/cli/database/database.h"

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/postgres/postgres.h"
#include "shared/store/migrate.h"

#define READY_MS     10000
#define STATEMENT_MS ((int64_t)30 * 60 * 1000) /* a migration may build an index */

struct store_command {
    const struct arguments *args;
    database_fn fn;
    bool migrated; /* or there is nothing that fn could do */
    struct config *config;
};

static int call_store(void *arg)
{
    const struct store_command *command = arg;
    struct pg_options options = {
        .url = command->config->database_url,
        .application_name = "penstock",
        .pool_size = 1,
        .statement_timeout_ms = STATEMENT_MS,
        .request_timeout_ms = STATEMENT_MS,
    };
    struct arena arena;
    struct store store = {.arena = &arena};
    struct error err;
    int r = pg_open(&options, &store.pg, &err);

    arena_init(&arena, 0);
    if (r == 0)
        r = pg_wait_ready(store.pg, deadline_in(READY_MS), &err);
    if (r < 0)
        (void)error_wrap(&err, "can't reach Postgres (DATABASE_URL)");
    else if (command->migrated)
        r = migrate_check(store.pg, &err);
    if (r == 0)
        r = command->fn(&store, command->args, &err);
    pg_close(store.pg);
    arena_deinit(&arena);
    return r < 0 ? command_fail(&err) : r;
}

static int run(struct store_command *command)
{
    int r = command_load_config(NULL, &command->config);

    if (r != COMMAND_OK)
        return r;
    r = command_on_loop(call_store, command);
    config_free(command->config);
    return r;
}

int database_run(const struct arguments *args, database_fn fn)
{
    return run(&(struct store_command){.args = args, .fn = fn, .migrated = true});
}

int database_run_unmigrated(const struct arguments *args, database_fn fn)
{
    return run(&(struct store_command){.args = args, .fn = fn});
}
