#pragma once
/* What was told: events, their deliveries to webhooks, and the tries of these. Kept for some days
 * (outbox_sweep). */

#include "shared/store/store.h"

struct webhook_event {
    struct uuid id;
    struct text type;
    struct text data;
    int64_t created_at;
};

struct webhook_delivery {
    struct uuid id;
    struct uuid event;
    struct text type;
    struct text url;   /* of a run that named it; TEXT_NONE: the webhook's */
    struct text state; /* "pending", "delivered", "dead", "skipped" */
    struct text cause; /* "event", "redeliver", "recover" */
    int64_t tries;
    int64_t next_at;   /* of one that is pending */
    int64_t status;    /* of the last answer; 0: there was none */
    struct text error; /* TEXT_NONE: none */
    int64_t created_at;
    int64_t ended_at;
    struct text attempts; /* a JSON array, the last ones */
};

struct webhook_deliveries {
    struct webhook_delivery *items;
    size_t count;
    bool has_more;
};

struct delivery_filter {
    struct uuid endpoint;
    struct text state; /* TEXT_NONE: any */
    struct text type;
};

#define DELIVERY_ATTEMPTS_SHOWN 10

/* EVENT_MISSING. */
SUSPENDS MUSTCHECK int webhook_event_get(const struct store *store, struct uuid id,
                                         struct webhook_event *out, struct error *err);

SUSPENDS MUSTCHECK int webhook_deliveries_list(const struct store *store,
                                               const struct delivery_filter *filter,
                                               const struct page *page,
                                               struct webhook_deliveries *out, struct error *err);

/* It is sent once more, as if it had never been, and soon. DELIVERY_MISSING. */
SUSPENDS MUSTCHECK int webhook_redeliver(const struct store *store, struct uuid endpoint,
                                         struct uuid id, struct webhook_delivery *out,
                                         struct error *err);

/* All that the webhook wanted, of events from `from` on and before `until` (0: now; unix seconds),
 * and did not get, is sent; RECOVER_MAX at most, the oldest first. *out is how many. */
#define RECOVER_MAX 10000
SUSPENDS MUSTCHECK int webhook_recover(const struct store *store, struct uuid endpoint,
                                       int64_t from, int64_t until, int64_t *out,
                                       struct error *err);
