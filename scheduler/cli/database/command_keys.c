/* `penstock keys create|list|revoke`. */

#include <stdio.h>
#include <string.h>

#include "scheduler/cli/database/database.h"
#include "scheduler/cli/display/when.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/store/access/tenants.h"

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
    return database_run(args, create_key);
}

static int list_keys(struct store *store, const struct arguments *args, struct error *err)
{
    struct api_key_list list;
    int r = find_tenant(store, args, err);

    if (r == 0)
        r = keys_list(store, &list, err);
    if (r < 0)
        return r;
    printf("%-36s  %-12s  %-22s  %-22s  %-22s  %s\n", "KEY", "BEGINS", "CREATED", "LAST USED",
           "REVOKED", "NAME");
    for (size_t i = 0; i < list.count; i++) {
        const struct api_key *key = &list.items[i];
        char id[ID_TEXT_SIZE];
        char times[3][WHEN_SIZE];

        id_format(ID_KEY, key->id, id);
        when_format(key->created_at, false, times[0]);
        when_format(key->last_used_at, false, times[1]);
        when_format(key->revoked_at, false, times[2]);
        printf("%-36s  %-12.*s  %-22s  %-22s  %-22s  %.*s\n", id, TEXT_ARGS(key->prefix), times[0],
               times[1], times[2], TEXT_ARGS(key->name));
    }
    return COMMAND_OK;
}

static int run_list_keys(const struct arguments *args)
{
    return database_run(args, list_keys);
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
        printf("revoked %s; servers notice within 6 s\n", args->positional[0]);
    return r;
}

static int run_revoke_key(const struct arguments *args)
{
    return database_run(args, revoke_key);
}

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
