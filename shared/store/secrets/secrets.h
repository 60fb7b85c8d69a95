#pragma once
/* Secrets of tenants, sealed: what they are is known to shared/secrets alone, and no function here
 * is given a value. */

#include "shared/store/store.h"

#define SECRETS_MAX 1000 /* of a tenant */

struct secret {
    struct uuid id;
    struct text name;
    int64_t version; /* of its value, from 1 on */
    struct text key_id;
    int64_t created_at;
    int64_t updated_at;   /* when it got its value */
    int64_t last_used_at; /* to a minute; 0: never */
};

struct secret_list {
    struct secret *items;
    size_t count;
    bool has_more;
};

/* What is stored of a value. Bytes are borrowed. */
struct sealed_secret {
    struct text name;
    struct text key_id;
    struct text wrapped;
    struct text sealed;
};

/* Makes one with this id. SECRETS_FULL. -E_CONFLICT: there is one of that name. */
SUSPENDS MUSTCHECK int secrets_create(const struct store *store, struct uuid id,
                                      const struct sealed_secret *sealed, struct secret *out,
                                      struct error *err);

/* The same, or the next version of the one that is there. SECRETS_FULL. */
SUSPENDS MUSTCHECK int secrets_put(const struct store *store, struct uuid id,
                                   const struct sealed_secret *sealed, struct secret *out,
                                   struct error *err);

/* SECRET_MISSING. */
SUSPENDS MUSTCHECK int secrets_get(const struct store *store, struct text name, struct secret *out,
                                   struct error *err);

SUSPENDS MUSTCHECK int secrets_list(const struct store *store, const struct page *page,
                                    struct secret_list *out, struct error *err);

/* *out: the id that it had. SECRET_MISSING. */
SUSPENDS MUSTCHECK int secrets_delete(const struct store *store, struct text name, struct uuid *out,
                                      struct error *err);

struct sealed_list {
    struct sealed_secret *items;
    size_t count;
};

/* Those of these names that there are, which are used now. */
SUSPENDS MUSTCHECK int secrets_use(const struct store *store, const struct text *names,
                                   size_t count, struct sealed_list *out, struct error *err);

/* ---- of all tenants, for whoever changes the master key ---- */

struct wrapped_secret {
    struct uuid id;
    struct uuid tenant;
    struct text name;
    int64_t version;
    struct text key_id;
    struct text wrapped;
};

struct wrapped_list {
    struct wrapped_secret *items;
    size_t count;
};

/* The next `max` behind `after` that are wrapped by another master key than this one. */
SUSPENDS MUSTCHECK int secrets_wrapped(const struct store *store, struct text key_id,
                                       struct uuid after, int max, struct wrapped_list *out,
                                       struct error *err);

/* Its data key is wrapped anew. SECRET_MISSING: it is gone, or has another value or key by now. */
SUSPENDS MUSTCHECK int secrets_rewrap(const struct store *store, const struct wrapped_secret *was,
                                      struct text key_id, struct text wrapped, struct error *err);
