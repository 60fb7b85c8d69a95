/* `penstock tenants create|set|list`. */

#include <inttypes.h>
#include <stdio.h>

#include "scheduler/cli/database/database.h"
#include "scheduler/cli/display/when.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/store/access/tenants.h"

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
    char created[WHEN_SIZE];
    char limit[24] = "none";
    char id[ID_TEXT_SIZE];

    when_format(tenant->created_at, false, created);
    id_format(ID_TENANT, tenant->id, id);
    if (tenant->max_running > 0)
        (void)snprintf(limit, sizeof(limit), "%" PRId64, tenant->max_running);
    printf("%-24.*s  %-22s  %6" PRId64 "  %11s  %s\n", TEXT_ARGS(tenant->name), created,
           tenant->weight, limit, id);
}

static void print_tenants_head(void)
{
    printf("%-24s  %-22s  %6s  %11s  %s\n", "TENANT", "CREATED", "WEIGHT", "MAX RUNNING", "ID");
}

static int create_tenant(struct store *store, const struct arguments *args, struct error *err)
{
    const char *name = args->positional[0];
    struct tenant_change change;
    struct tenant tenant;
    int r = read_change(args, &change, err);

    if (r == 0)
        r = tenants_create(store, text_of(name), &change, &tenant, err);
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
    return database_run(args, create_tenant);
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
    return database_run(args, set_tenant);
}

static int run_list_tenants(const struct arguments *args)
{
    return database_run(args, list_tenants);
}

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
