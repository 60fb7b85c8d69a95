#pragma once
/* Tenants and their API keys.
 *
 * A key is "pk_" and 43 base64url characters (32 random bytes). It is shown once, when it is made;
 * the database holds its SHA-256 and its first 12 characters. With 256 random bits a plain hash
 * needs no salt, and looking it up by a unique index leaks nothing that helps to guess a key.
 */

#include "shared/store/store.h"

#define KEY_TEXT_SIZE   47 /* "pk_", 43 characters and the zero */
#define TENANT_NAME_MAX 64 /* characters: letters, digits, "-", "_", "." */

#define TENANT_WEIGHT_MAX 1000

struct tenant {
    struct uuid id;
    struct text name;
    int64_t created_at;
    int64_t weight;      /* share of the workers beside others that wait: 1..TENANT_WEIGHT_MAX */
    int64_t max_running; /* runs in work at once; 0: no limit */
    int64_t requests_per_minute; /* calls of models; 0: no limit */
    int64_t tokens_per_minute;
};

/* Calls of models, and tokens that they read and write; 0: no limit. */
struct tenant_rates {
    int64_t requests_per_minute;
    int64_t tokens_per_minute;
};

struct tenant_list {
    struct tenant *items;
    size_t count;
};

struct api_key {
    struct uuid id;
    struct uuid tenant_id;
    struct text name;
    struct text prefix; /* the first 12 characters, to tell keys apart */
    int64_t created_at;
    int64_t last_used_at;      /* to the minute; 0: never */
    int64_t revoked_at;        /* 0: valid */
    struct tenant_rates rates; /* of its tenant; filled by keys_authenticate alone */
};

struct api_key_list {
    struct api_key *items;
    size_t count;
};

struct tenant_change {
    int64_t weight; /* 0: as it is; of a new tenant 1 */
    /* 0: as it is; of a new tenant no limit, as TENANT_UNLIMITED says */
    int64_t max_running;
    int64_t requests_per_minute;
    int64_t tokens_per_minute;
};

#define TENANT_UNLIMITED (-1)

/* Of these, store->tenant is not looked at. All: oldest first, at most 10,000. tenants_create, with
 * its share and limit: TENANT_EXISTS, and nothing was changed; -E_INVALID for a bad name or change.
 * tenants_find, by name: TENANT_MISSING. */
SUSPENDS MUSTCHECK int tenants_create(const struct store *store, struct text name,
                                      const struct tenant_change *change, struct tenant *out,
                                      struct error *err);
SUSPENDS MUSTCHECK int tenants_list(const struct store *store, struct tenant_list *out,
                                    struct error *err);
SUSPENDS MUSTCHECK int tenants_find(const struct store *store, struct text name, struct tenant *out,
                                    struct error *err);

/* By name. TENANT_MISSING; -E_INVALID. Dispatchers notice within seconds,
 * workers with the next run of the tenant that they take. */
SUSPENDS MUSTCHECK int tenants_set(const struct store *store, struct text name,
                                   const struct tenant_change *change, struct tenant *out,
                                   struct error *err);

/* Makes a key for store->tenant and writes it to out_key, its only showing. TENANT_MISSING. */
SUSPENDS MUSTCHECK int keys_create(const struct store *store, struct text name, struct api_key *out,
                                   char out_key[KEY_TEXT_SIZE], struct error *err);

/* The keys of store->tenant, revoked ones included, oldest first, at most 10,000. */
SUSPENDS MUSTCHECK int keys_list(const struct store *store, struct api_key_list *out,
                                 struct error *err);

/* Returns 0 also when it was revoked before; KEY_MISSING. */
SUSPENDS MUSTCHECK int keys_revoke(const struct store *store, struct uuid id, struct error *err);

/* Which of up to KEYS_AT_ONCE keys, of whatever tenants, are revoked or not there: their places in
 * the list. */
#define KEYS_AT_ONCE 1000
SUSPENDS MUSTCHECK int keys_over(struct pg *pg, const struct uuid *keys, size_t count, size_t *out,
                                 size_t *out_count, struct error *err);

/* Whose key is it? Fills id, tenant_id and rates of *out. KEY_MISSING when there is no such
 * key, it is revoked, or the text does not have the form of one. Notes the use once a minute. */
SUSPENDS MUSTCHECK int keys_authenticate(struct pg *pg, struct text key, struct api_key *out,
                                         struct error *err);
