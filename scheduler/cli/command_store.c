/* Commands that speak to Postgres themselves: migrate, tenants, keys. They need DATABASE_URL and no
 * server, for they are what is done before there is one.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scheduler/cli/command.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/postgres/postgres.h"
#include "shared/store/access/tenants.h"
#include "shared/store/migrate.h"
#include "shared/store/store.h"

#define READY_MS     10000
#define STATEMENT_MS ((int64_t)30 * 60 * 1000) /* a migration may build an index */

typedef int (*store_fn)(struct store *store, const struct arguments *args, struct error *err);

struct store_command {
    const struct arguments *args;
    store_fn fn;
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
    else
        r = command->fn(&store, command->args, &err);
    pg_close(store.pg);
    arena_deinit(&arena);
    return r < 0 ? command_fail(&err) : r;
}

static int run_with_store(const struct arguments *args, store_fn fn)
{
    struct store_command command = {.args = args, .fn = fn};
    int r = command_load_config(NULL, &command.config);

    if (r != COMMAND_OK)
        return r;
    r = command_on_loop(call_store, &command);
    config_free(command.config);
    return r;
}

static void format_time(int64_t seconds, char out[32])
{
    time_t time = (time_t)seconds;
    struct tm local;

    if (seconds <= 0 || !localtime_r(&time, &local) ||
        strftime(out, 32, "%Y-%m-%d %H:%M", &local) == 0)
        (void)snprintf(out, 32, "-");
}

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
    return run_with_store(args, migrate);
}

/* --weight and --max-running; what is not given is 0. */
static int read_change(const struct arguments *args, struct tenant_change *out, struct error *err)
{
    const char *weight = arguments_get(args, "weight");
    const char *running = arguments_get(args, "max-running");

    *out = (struct tenant_change){0};
    if (weight && (!text_to_int(text_of(weight), &out->weight) || out->weight < 1 ||
                   out->weight > TENANT_WEIGHT_MAX))
        return error_set(err, E_INVALID, "--weight %.20s: expected a number from 1 to %d", weight,
                         TENANT_WEIGHT_MAX);
    if (running && strcmp(running, "none") == 0)
        out->max_running = TENANT_UNLIMITED;
    else if (running && (!text_to_int(text_of(running), &out->max_running) || out->max_running < 1))
        return error_set(err, E_INVALID,
                         "--max-running %.20s: expected a number from 1 on, or \"none\"", running);
    return 0;
}

static void print_tenant(const struct tenant *tenant)
{
    char created[32];
    char limit[24] = "none";
    char id[ID_TEXT_SIZE];

    format_time(tenant->created_at, created);
    id_format(ID_TENANT, tenant->id, id);
    if (tenant->max_running > 0)
        (void)snprintf(limit, sizeof(limit), "%" PRId64, tenant->max_running);
    printf("%-24.*s  %s  %6" PRId64 "  %11s  %s\n", TEXT_ARGS(tenant->name), created,
           tenant->weight, limit, id);
}

static void print_tenants_head(void)
{
    printf("%-24s  %-16s  %6s  %11s  %s\n", "TENANT", "CREATED", "WEIGHT", "MAX RUNNING", "ID");
}

static int create_tenant(struct store *store, const struct arguments *args, struct error *err)
{
    const char *name = args->positional[0];
    struct tenant_change change;
    struct tenant tenant;
    int r = read_change(args, &change, err);

    if (r == 0)
        r = tenants_create(store, text_of(name), &tenant, err);
    if (r == 0 && (change.weight || change.max_running))
        r = tenants_set(store, text_of(name), &change, &tenant, err);
    if (r < 0)
        return r;
    if (r == TENANT_EXISTS && arguments_has(args, "if-missing"))
        return COMMAND_OK;
    if (r == TENANT_EXISTS)
        return error_set(err, E_CONFLICT, "there is a tenant \"%.64s\" already", name);
    printf("created tenant %s; a key for it: penstock keys create --tenant %s\n", name, name);
    return COMMAND_OK;
}

static int run_create_tenant(const struct arguments *args)
{
    return run_with_store(args, create_tenant);
}

static int list_tenants(struct store *store, const struct arguments *args, struct error *err)
{
    struct tenant_list list;
    int r = tenants_list(store, &list, err);

    (void)args;
    if (r < 0)
        return r;
    print_tenants_head();
    for (size_t i = 0; i < list.count; i++)
        print_tenant(&list.items[i]);
    return COMMAND_OK;
}

static int set_tenant(struct store *store, const struct arguments *args, struct error *err)
{
    const char *name = args->positional[0];
    struct tenant_change change;
    struct tenant tenant;
    int r = read_change(args, &change, err);

    if (r == 0)
        r = tenants_set(store, text_of(name), &change, &tenant, err);
    if (r == TENANT_MISSING)
        return error_set(err, E_NOT_FOUND, "there is no tenant \"%.64s\"", name);
    if (r < 0)
        return r;
    print_tenants_head();
    print_tenant(&tenant);
    return COMMAND_OK;
}

static int run_set_tenant(const struct arguments *args)
{
    return run_with_store(args, set_tenant);
}

static int run_list_tenants(const struct arguments *args)
{
    return run_with_store(args, list_tenants);
}

/* Puts the tenant that --tenant names into the store. */
static int find_tenant(struct store *store, const struct arguments *args, struct error *err)
{
    const char *name = arguments_get(args, "tenant");
    struct tenant tenant;
    int r;

    if (!name)
        return error_set(err, E_INVALID, "--tenant NAME is needed; see `penstock tenants list`");
    r = tenants_find(store, text_of(name), &tenant, err);
    if (r == TENANT_MISSING)
        return error_set(err, E_NOT_FOUND,
                         "there is no tenant \"%.64s\"; create it: penstock tenants create %.64s",
                         name, name);
    if (r == 0)
        store->tenant = tenant.id;
    return r;
}

static int create_key(struct store *store, const struct arguments *args, struct error *err)
{
    const char *name = arguments_get(args, "name");
    char key[KEY_TEXT_SIZE];
    char id[ID_TEXT_SIZE];
    struct api_key made;
    int r = find_tenant(store, args, err);

    if (r == 0)
        r = keys_create(store, text_of(name ? name : "default"), &made, key, err);
    if (r == TENANT_MISSING)
        return error_set(err, E_NOT_FOUND, "the tenant was deleted meanwhile");
    if (r < 0)
        return r;
    id_format(ID_KEY, made.id, id);
    (void)fprintf(stderr, "This key (%s) is shown once; only its hash is kept.\n", id);
    printf("%s\n", key);
    explicit_bzero(key, sizeof(key));
    return COMMAND_OK;
}

static int run_create_key(const struct arguments *args)
{
    return run_with_store(args, create_key);
}

static int list_keys(struct store *store, const struct arguments *args, struct error *err)
{
    struct api_key_list list;
    int r = find_tenant(store, args, err);

    if (r == 0)
        r = keys_list(store, &list, err);
    if (r < 0)
        return r;
    printf("%-36s  %-12s  %-16s  %-16s  %-16s  %s\n", "KEY", "BEGINS", "CREATED", "LAST USED",
           "REVOKED", "NAME");
    for (size_t i = 0; i < list.count; i++) {
        const struct api_key *key = &list.items[i];
        char id[ID_TEXT_SIZE];
        char times[3][32];

        id_format(ID_KEY, key->id, id);
        format_time(key->created_at, times[0]);
        format_time(key->last_used_at, times[1]);
        format_time(key->revoked_at, times[2]);
        printf("%-36s  %-12.*s  %-16s  %-16s  %-16s  %.*s\n", id, TEXT_ARGS(key->prefix), times[0],
               times[1], times[2], TEXT_ARGS(key->name));
    }
    return COMMAND_OK;
}

static int run_list_keys(const struct arguments *args)
{
    return run_with_store(args, list_keys);
}

static int revoke_in(struct store *store, struct uuid id, struct error *err)
{
    struct tenant_list list;
    int r = tenants_list(store, &list, err);

    for (size_t i = 0; r == 0 && i < list.count; i++) {
        store->tenant = list.items[i].id;
        r = keys_revoke(store, id, err);
        if (r == 0)
            return 0;
        if (r == KEY_MISSING)
            r = 0;
    }
    return r < 0 ? r : KEY_MISSING;
}

static int revoke_key(struct store *store, const struct arguments *args, struct error *err)
{
    struct uuid id;
    int r;

    if (!id_parse(ID_KEY, text_of(args->positional[0]), &id))
        return error_set(err, E_INVALID,
                         "\"%.60s\" is no id of a key (key_ and 32 digits); see `penstock keys "
                         "list`",
                         args->positional[0]);
    r = revoke_in(store, id, err);
    if (r == KEY_MISSING)
        return error_set(err, E_NOT_FOUND, "there is no key %.60s", args->positional[0]);
    if (r == 0)
        printf("revoked %s; servers notice within a minute\n", args->positional[0]);
    return r;
}

static int run_revoke_key(const struct arguments *args)
{
    return run_with_store(args, revoke_key);
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

static const struct option_spec tenant_options[] = {
    {"weight", 0, "N", "share of the workers beside other tenants that wait; 1", 0, 0},
    {"max-running", 0, "N|none", "runs in work at once; none", 0, 0},
    {"if-missing", 0, NULL, "succeed when it is there already", 0, 0},
};

const struct command command_tenants_create = {
    .name = "tenants create",
    .arguments = "NAME",
    .summary = "Create a tenant",
    .options = tenant_options,
    .options_count = ARRAY_LENGTH(tenant_options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_create_tenant,
};

const struct command command_tenants_set = {
    .name = "tenants set",
    .arguments = "NAME",
    .summary = "Change a tenant's share and limit",
    .details = "What is not given stays as it is. Schedulers notice within seconds.",
    .options = tenant_options,
    .options_count = ARRAY_LENGTH(tenant_options) - 1,
    .positional_min = 1,
    .positional_max = 1,
    .run = run_set_tenant,
};

const struct command command_tenants_list = {
    .name = "tenants list",
    .arguments = "",
    .summary = "List tenants",
    .run = run_list_tenants,
};

static const struct option_spec key_options[] = {
    {"tenant", 't', "NAME", "whose key", 0, 0},
    {"name", 'n', "NAME", "what the key is for", 0, 0},
};

const struct command command_keys_create = {
    .name = "keys create",
    .arguments = "--tenant NAME",
    .summary = "Create an API key and print it",
    .details = "The key is shown once, on standard output; only its hash is kept.",
    .options = key_options,
    .options_count = ARRAY_LENGTH(key_options),
    .run = run_create_key,
};

const struct command command_keys_list = {
    .name = "keys list",
    .arguments = "--tenant NAME",
    .summary = "List a tenant's API keys",
    .options = key_options,
    .options_count = 1,
    .run = run_list_keys,
};

const struct command command_keys_revoke = {
    .name = "keys revoke",
    .arguments = "KEY_ID",
    .summary = "Revoke an API key",
    .positional_min = 1,
    .positional_max = 1,
    .run = run_revoke_key,
};
