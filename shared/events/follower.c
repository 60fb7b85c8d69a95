/* The subscription: a service whose round lasts as long as its connection. */

#include "shared/events/follower.h"

#include <stdlib.h>

#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/service.h"
#include "shared/redis/redis.h"

enum {
    OPEN_WAIT_MS = 5000,
    SILENT_MS =
        10000, /* a connection that is silent for so long is asked whether it still is one */
    PING_WAIT_MS = 1500,
    BACKOFF_MS = 100,
    BACKOFF_CAP_MS = 1000,
};

struct follower {
    struct follower_options options;
    struct service service;
    struct backoff backoff;
    bool hears;
};

static void take(struct follower *follower, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
        text_is(redis_reply_text(reply->element[0]), "message"))
        follower->options.hear(follower->options.arg, redis_reply_text(reply->element[2]));
}

static int subscribe(const struct follower *follower, struct redis_conn **out, struct error *err)
{
    const struct redis_options options = {.url = follower->options.redis_url};
    const struct text argv[2] = {TEXT("SUBSCRIBE"), text_of(follower->options.channel)};
    int64_t deadline_ms = deadline_in(OPEN_WAIT_MS);
    struct redis_conn *conn = NULL;
    int r = redis_conn_open(&options, deadline_ms, &conn, err);

    if (r == 0)
        r = redis_conn_command(conn, argv, 2, deadline_ms, NULL, err);
    if (r < 0)
        redis_conn_close(conn);
    else
        *out = conn;
    return r;
}

/* Until the next message, or until a silent connection has answered that it still is one. Returns
 * 0, or what broke it. */
static int hear(struct follower *follower, struct redis_conn *conn, struct error *err)
{
    const struct text ping[1] = {TEXT("PING")};
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    int r = redis_conn_next(conn, deadline_in(SILENT_MS), &reply, err);

    if (r == -E_TIMEOUT)
        return redis_conn_command(conn, ping, 1, deadline_in(PING_WAIT_MS), NULL, err);
    if (r == 0)
        take(follower, reply);
    return r;
}

static int follow_round(void *arg, struct error *err)
{
    struct follower *follower = arg;
    struct redis_conn *conn = NULL;
    int r = subscribe(follower, &conn, err);

    if (r < 0)
        return r;
    follower->hears = true;
    if (follower->options.again)
        follower->options.again(follower->options.arg);
    while (r == 0) {
        r = hear(follower, conn, err);
        if (r == 0)
            backoff_reset(&follower->backoff);
    }
    follower->hears = false;
    redis_conn_close(conn);
    return r;
}

static int64_t wait_ms(void *arg)
{
    return backoff_next_ms(&((struct follower *)arg)->backoff);
}

struct follower *follower_start(const struct follower_options *options)
{
    struct follower *follower = xcalloc(1, sizeof(*follower));
    const struct service_options service = {
        .name = "follow",
        .round = follow_round,
        .arg = follower,
        .wait_ms = wait_ms,
    };

    follower->options = *options;
    follower->backoff.policy = (struct backoff_policy){BACKOFF_MS, BACKOFF_CAP_MS};
    service_start(&follower->service, &service);
    return follower;
}

void follower_stop(struct follower *follower)
{
    if (!follower)
        return;
    service_stop(&follower->service);
    free(follower);
}

bool follower_hears(const struct follower *follower)
{
    return follower->hears;
}
