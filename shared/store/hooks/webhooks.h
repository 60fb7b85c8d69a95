#pragma once
/* Webhooks of a tenant: where it is told what became of runs, batches and the like, and of what.
 * Who has one makes runs that notify (runs.notify). */

#include "shared/hooks/hook_sign.h"
#include "shared/store/store.h"

#define WEBHOOKS_MAX 50 /* of a tenant */

struct webhook {
    struct uuid id;
    struct text name; /* TEXT_NONE: none */
    struct text description;
    struct text url;
    struct text events; /* a JSON array of filters */
    bool full_payload;
    struct text metadata;
    bool enabled;
    struct text reason; /* why it is not: "asked", "gone", "failing" */
    int64_t disabled_at;
    int64_t failing_since; /* 0: its last try succeeded */
    int64_t waiting;       /* deliveries; counted up to WEBHOOK_WAITING_SHOWN */
    int64_t previous_until;
    int64_t created_at;
    int64_t updated_at;
    struct hook_secret secret;
    struct hook_secret previous; /* without bytes: none signs beside it */
};

#define WEBHOOK_WAITING_SHOWN 1000

struct webhook_list {
    struct webhook *items;
    size_t count;
    bool has_more;
};

/* Makes one with webhook->id, url, events, texts and secret. WEBHOOKS_FULL. */
SUSPENDS MUSTCHECK int webhook_create(const struct store *store, const struct webhook *webhook,
                                      struct webhook *out, struct error *err);

/* WEBHOOK_MISSING, as all below. */
SUSPENDS MUSTCHECK int webhook_get(const struct store *store, struct uuid id, struct webhook *out,
                                   struct error *err);
SUSPENDS MUSTCHECK int webhook_list(const struct store *store, const struct page *page,
                                    struct webhook_list *out, struct error *err);

/* Writes what can be changed of it. One that becomes enabled begins without failures. */
SUSPENDS MUSTCHECK int webhook_update(const struct store *store, const struct webhook *webhook,
                                      struct webhook *out, struct error *err);

/* A new secret; the one before signs, too, for keep_ms. */
SUSPENDS MUSTCHECK int webhook_rotate(const struct store *store, struct uuid id,
                                      const struct hook_secret *secret, int64_t keep_ms,
                                      struct webhook *out, struct error *err);
SUSPENDS MUSTCHECK int webhook_delete(const struct store *store, struct uuid id, struct error *err);
