/* The nudges for a worker: a subscription to its channel and to that of all workers. A message is
 * "cancel" and a run's UUID, or "news"; what is neither is passed over, so that newer senders may
 * say more. */

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/queue/queue_internal.h"

struct queue_control {
    struct redis_conn *conn;
};

int queue_control_open(const char *url, int64_t worker_id, int64_t deadline_ms,
                       struct queue_control **out, struct error *err)
{
    struct redis_options options = {.url = url};
    struct redis_conn *conn;
    char channel[QUEUE_CHANNEL_SIZE];
    struct text argv[3] = {TEXT("SUBSCRIBE"), TEXT_NONE, TEXT(QUEUE_CHANNEL_OF_ALL)};
    int r = redis_conn_open(&options, deadline_ms, &conn, err);

    if (r < 0)
        return r;
    queue_control_channel(worker_id, channel);
    argv[1] = text_of(channel);
    r = redis_conn_command(conn, argv, 3, deadline_ms, NULL, err);
    if (r < 0) {
        redis_conn_close(conn);
        return error_wrap(err, "subscribing to %s", channel);
    }
    *out = xcalloc(1, sizeof(**out));
    (*out)->conn = conn;
    return 0;
}

void queue_control_close(struct queue_control *control)
{
    if (!control)
        return;
    redis_conn_close(control->conn);
    free(control);
}

/* Returns 0 with the run, QUEUE_NEWS_WANTED, or QUEUE_EMPTY: it says nothing that is known. */
static int parse_nudge(const redisReply *reply, struct uuid *out_run)
{
    struct text payload, word, id;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        !text_is(redis_reply_text(reply->element[0]), "message"))
        return QUEUE_EMPTY;
    payload = redis_reply_text(reply->element[2]);
    if (text_is(payload, "news"))
        return QUEUE_NEWS_WANTED;
    if (text_cut(payload, ' ', &word, &id) && text_is(word, "cancel") && uuid_parse(id, out_run))
        return 0;
    return QUEUE_EMPTY;
}

int queue_control_next(struct queue_control *control, int64_t deadline_ms, struct uuid *out_run,
                       struct error *err)
{
    for (;;) {
        CLEANUP(redis_reply_freep) redisReply *reply = NULL;
        int r = redis_conn_next(control->conn, deadline_ms, &reply, err);

        if (r < 0)
            return r;
        r = parse_nudge(reply, out_run);
        if (r != QUEUE_EMPTY)
            return r;
    }
}
