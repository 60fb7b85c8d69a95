#pragma once
/* The outbox of webhooks, as schedulers with the role `outbox` work through it.
 *
 *   webhook_events       written by the statement that changed something (migrations, webhooks.sql)
 *      | outbox_move     set-based: who wants it gets a delivery each
 *   webhook_deliveries   pending --> delivered, dead, skipped
 *      | outbox_take     some of each lane, with a lease: whoever loses one leaves it to the next
 *      | (it is sent)
 *      | outbox_settle   set-based: states, tries, lanes, webhooks that are disabled
 *
 * A lane is a webhook, or a host that runs name. One whose last tries failed is tried by one
 * delivery at a time, after a wait that doubles; the others do not notice. */

#include "shared/hooks/hook_sign.h"
#include "shared/store/store.h"

#define OUTBOX_MOVE_MAX      500
#define OUTBOX_LANES_MAX     500 /* that one statement looks at */
#define OUTBOX_LEASE_MS      60000
#define OUTBOX_FAILURES      3  /* in a row, after which a lane is failing */
#define OUTBOX_WAIT_MAX_S    60 /* between two tries of a lane that is failing */
#define OUTBOX_DISABLE_HOURS 120

/* Events become deliveries. *out is how many events, OUTBOX_MOVE_MAX at most. */
SUSPENDS MUSTCHECK int outbox_move(struct pg *pg, int64_t *out, struct error *err);

/* What one process has in flight of a lane. */
struct outbox_lane {
    struct uuid lane;
    struct uuid tenant;
    int64_t flying;
};

struct outbox_wish {
    int64_t holder; /* the process */
    const struct outbox_lane *lanes;
    size_t lanes_count;
    int64_t lane_max;  /* in flight at once, of one */
    int64_t room;      /* deliveries */
    struct uuid after; /* lanes behind this one */
};

struct outbox_delivery {
    struct uuid id;
    struct uuid lane;
    struct uuid endpoint;
    struct uuid tenant;
    int64_t tries;
    bool there; /* the webhook is; nothing below is filled otherwise */
    struct text url;
    struct hook_secret secret;
    struct hook_secret previous; /* signs, too, while it is there */
    struct uuid event;
    struct text type;
    int64_t created_at;
    struct text data;
    struct text texts;       /* JSON; TEXT_NONE: none go along */
    struct text traceparent; /* in which trace it happened; TEXT_NONE: in none */
    struct text tracestate;
};

struct outbox_taken {
    struct outbox_delivery *items;
    size_t count;
    bool round;       /* all lanes were looked at: begin with the first one again */
    struct uuid last; /* the last lane that was looked at, where it is not */
};

SUSPENDS MUSTCHECK int outbox_take(const struct store *store, const struct outbox_wish *wish,
                                   struct outbox_taken *out, struct error *err);

enum outbox_end {
    OUTBOX_DELIVERED,
    OUTBOX_FAILED,
    OUTBOX_GONE,     /* its receiver wants no more, ever: 410 */
    OUTBOX_SKIPPED,  /* there is nobody to send it to */
    OUTBOX_RELEASED, /* it was not sent: somebody else may, at once */
};

/* What became of a delivery that was taken. */
struct outbox_outcome {
    struct uuid id;
    enum outbox_end end;
    int64_t status; /* of the answer; 0: there was none */
    int64_t duration_ms;
    struct text error;
    struct text answer;
    int64_t wait_ms;      /* until the next try; -1: there is none */
    int64_t lane_wait_ms; /* that the receiver asked for; 0: it did not */
};

#define OUTBOX_SETTLE_MAX 200

/* A webhook that is disabled from now on. */
struct outbox_disabled {
    struct uuid id;
    struct text reason;
    struct text url;
};

struct outbox_disabled_list {
    struct outbox_disabled *items;
    size_t count;
};

SUSPENDS MUSTCHECK int outbox_settle(const struct store *store, int64_t holder,
                                     const struct outbox_outcome *outcomes, size_t count,
                                     struct outbox_disabled_list *out, struct error *err);

/* Steps of what else is to be done: *out is whether there is more. Unfinished runs of tenants that
 * have a new webhook begin to notify; what waits for webhooks that are disabled is skipped; what is
 * older than this is forgotten. */
SUSPENDS MUSTCHECK int outbox_mark(struct pg *pg, bool *out, struct error *err);
SUSPENDS MUSTCHECK int outbox_skip(struct pg *pg, bool *out, struct error *err);
SUSPENDS MUSTCHECK int outbox_forget(struct pg *pg, int64_t keep_days, bool *out,
                                     struct error *err);

struct outbox_counts {
    int64_t events; /* that are to be moved, up to OUTBOX_COUNTED */
    int64_t failing;
    int64_t disabled;
};
#define OUTBOX_COUNTED 10000
SUSPENDS MUSTCHECK int outbox_count(struct pg *pg, struct outbox_counts *out, struct error *err);
