/* `penstock tenants create|set|list`. */

#include <inttypes.h>
#include <stdio.h>

#include "scheduler/cli/database/database.h"
#include "scheduler/cli/display/when.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/store/access/tenants.h"

/* An option that is a number or "none"; what is not given is 0. */
static int read_limit(const struct arguments *args, const char *name, int64_t *out,
                      struct error *err)
{
    const char *value = arguments_get(args, name);

    if (!value)
        return 0;
    if (strcmp(value, "none") == 0) {
        *out = TENANT_UNLIMITED;
        return 0;
    }
    if (!text_to_int(text_of(value), out) || *out < 1)
        return error_set(err, E_INVALID, "--%s %.20s: expected a number from 1 on, or \"none\"",
                         name, value);
    return 0;
}

/* The share and the limits; what is not given is 0. */
static int read_change(const struct arguments *args, struct tenant_change *out, struct error *err)
{
    const char *weight = arguments_get(args, "weight");
    int r;

    *out = (struct tenant_change){0};
    if (weight && (!text_to_int(text_of(weight), &out->weight) || out->weight < 1 ||
                   out->weight > TENANT_WEIGHT_MAX))
        return error_set(err, E_INVALID, "--weight %.20s: expected a number from 1 to %d", weight,
                         TENANT_WEIGHT_MAX);
    r = read_limit(args, "max-running", &out->max_running, err);
    if (r == 0)
        r = read_limit(args, "requests-per-minute", &out->requests_per_minute, err);
    if (r == 0)
        r = read_limit(args, "tokens-per-minute", &out->tokens_per_minute, err);
    return r;
}

#define LIMIT_SIZE 24

static const char *show_limit(int64_t limit, char out[LIMIT_SIZE])
{
    (void)snprintf(out, LIMIT_SIZE, limit > 0 ? "%" PRId64 : "none", limit);
    return out;
}

static void print_tenant(const struct tenant *tenant)
{
    char created[WHEN_SIZE];
    char running[LIMIT_SIZE];
    char requests[LIMIT_SIZE];
    char tokens[LIMIT_SIZE];
    char id[ID_TEXT_SIZE];

    when_format(tenant->created_at, false, created);
    id_format(ID_TENANT, tenant->id, id);
    printf("%-24.*s  %-22s  %6" PRId64 "  %11s  %12s  %10s  %s\n", TEXT_ARGS(tenant->name), created,
           tenant->weight, show_limit(tenant->max_running, running),
           show_limit(tenant->requests_per_minute, requests),
           show_limit(tenant->tokens_per_minute, tokens), id);
}

static void print_tenants_head(void)
{
    printf("%-24s  %-22s  %6s  %11s  %12s  %10s  %s\n", "TENANT", "CREATED", "WEIGHT",
           "MAX RUNNING", "REQUESTS/MIN", "TOKENS/MIN", "ID");
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
    {"requests-per-minute", 0, "N|none", "calls of models, over all workers; none", 0, 0},
    {"tokens-per-minute", 0, "N|none", "tokens of these calls, read and written; none", 0, 0},
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
    .summary = "Change a tenant's share and limits",
    .details = "What is not given stays as it is. Schedulers notice within seconds, workers with "
               "the next\n"
               "run of the tenant that they take.",
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
