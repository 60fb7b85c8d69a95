/* `penstock secrets rotate`: data keys of all secrets, of all tenants, are wrapped under the
 * present master key. Values are not opened, and calls that use them go on meanwhile. */

#include <inttypes.h>
#include <stdio.h>

#include "scheduler/cli/database/database.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/secrets/envelope.h"
#include "shared/store/secrets/secrets.h"

enum { ROWS_AT_ONCE = 100, COMPLAINTS_MAX = 20 };

struct rotation {
    struct store *store;
    struct key_ring *ring;
    int64_t wrapped;
    int64_t failed;
};

/* Returns 0 or what made asking fail; a secret that can't be opened is counted. */
static int rotate_one(struct rotation *rotation, const struct wrapped_secret *secret,
                      struct error *err)
{
    CLEANUP(freep) struct envelope *envelope = xcalloc(1, sizeof(*envelope));
    const struct secret_place place = {secret->tenant, secret->name};
    int r = 0;

    if (secret->key_id.len < KEY_ID_SIZE)
        memcpy(envelope->key_id, secret->key_id.ptr, secret->key_id.len);
    if (secret->wrapped.len == WRAPPED_BYTES)
        memcpy(envelope->wrapped, secret->wrapped.ptr, WRAPPED_BYTES);
    r = envelope_rewrap(rotation->ring, &place, envelope, err);
    if (r == -E_NOT_FOUND || r == -E_CONTENT) {
        if (rotation->failed++ < COMPLAINTS_MAX)
            terminal_complain("%s", err->text);
        return 0;
    }
    if (r == 0)
        r = secrets_rewrap(rotation->store, secret, text_of(envelope->key_id),
                           (struct text){(const char *)envelope->wrapped, WRAPPED_BYTES}, err);
    if (r == 0)
        rotation->wrapped++;
    return r == SECRET_MISSING ? 0 : r; /* it has another value by now, or is gone */
}

static int rotate_all(struct rotation *rotation, struct error *err)
{
    struct text key_id = text_of(key_ring_current(rotation->ring)->id);
    struct uuid after = {{0}};
    struct wrapped_list list;
    int r;

    do {
        struct arena arena;
        struct arena *whole = rotation->store->arena;

        arena_init(&arena, 0);
        rotation->store->arena = &arena;
        r = secrets_wrapped(rotation->store, key_id, after, ROWS_AT_ONCE, &list, err);
        for (size_t i = 0; r == 0 && i < list.count; i++) {
            after = list.items[i].id;
            r = rotate_one(rotation, &list.items[i], err);
        }
        rotation->store->arena = whole;
        arena_deinit(&arena);
    } while (r == 0 && list.count > 0);
    return r;
}

static int rotate_with(struct rotation *rotation, struct error *err)
{
    const struct master_key *key = key_ring_current(rotation->ring);
    int r;

    if (!key)
        return error_set(err, E_INVALID,
                         "there is no master key: set PENSTOCK_MASTER_KEY_FILE or "
                         "PENSTOCK_MASTER_KEY, the new key first and the old ones behind it");
    r = rotate_all(rotation, err);
    if (r < 0)
        return r;
    printf("%" PRId64 " secrets were wrapped anew under the master key %s\n", rotation->wrapped,
           key_ring_current(rotation->ring)->id);
    if (rotation->failed == 0)
        return COMMAND_OK;
    return error_set(err, E_REJECTED,
                     "%" PRId64 " secrets could not be: keep the keys that opened them",
                     rotation->failed);
}

static int rotate(struct store *store, const struct arguments *args, struct error *err)
{
    struct rotation rotation = {.store = store};
    struct config *config = NULL;
    int r = command_load_config(NULL, &config);

    (void)args;
    if (r != COMMAND_OK)
        return r;
    r = key_ring_open(config->secrets.master_key, config->secrets.master_key_file, &rotation.ring,
                      err);
    config_free(config);
    if (r == 0)
        r = rotate_with(&rotation, err);
    key_ring_free(rotation.ring);
    return r;
}

static int run(const struct arguments *args)
{
    return database_run(args, rotate);
}

const struct command command_secrets_rotate = {
    .name = "secrets rotate",
    .arguments = "",
    .summary = "Wrap all secrets of all tenants under the first master key",
    .details =
        "Needs DATABASE_URL and the master keys of the servers: the new one first, and behind\n"
        "it those that secrets may still be wrapped under. When it has ended well and every\n"
        "server has the new key first, the old ones may go. It may be run again at any time.",
    .run = run,
};
