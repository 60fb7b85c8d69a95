#pragma once
/* What sends webhooks: a part of the scheduler, in as many of them as there are with the role
 * `outbox`.
 *
 * A round moves events to deliveries, takes some deliveries of each lane (store/hooks/outbox.h),
 * and starts a fiber for each, which sends it and has what came of it written together with others.
 * Nothing is remembered that another scheduler would need: what a process held when it died is
 * taken by the next one when its lease is over. So each event arrives at least once, by the same
 * id, and in no order that is promised. */

#include "shared/base/compiler.h"
#include "shared/net/guard.h"

struct buf;
struct http_client;
struct key_ring;
struct metric_table;
struct outbox_sender;
struct pg;
struct tracer;

struct outbox_sender_options {
    struct pg *pg;
    struct http_client *http;
    struct guard_options guard;   /* its strings outlive the sender */
    struct key_ring *master_keys; /* of secrets that URLs of webhooks refer to */
    int64_t keep_days;
    struct tracer *tracer; /* NULL: telemetry is off */
};

struct outbox_sender *outbox_sender_start(const struct outbox_sender_options *options);
SUSPENDS void outbox_sender_stop(struct outbox_sender *sender); /* accepts NULL */

void outbox_sender_metrics_render(const struct outbox_sender *sender, struct buf *out);
extern const struct metric_table outbox_sender_metrics;
