/* The nudges for one worker: a subscription to its channel. A message is "cancel" and a run's UUID;
 * what is neither is passed over, so that newer senders may say more. */

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
    struct text argv[2] = {TEXT("SUBSCRIBE")};
    int r = redis_conn_open(&options, deadline_ms, &conn, err);

    if (r < 0)
        return r;
    queue_control_channel(worker_id, channel);
    argv[1] = text_of(channel);
    r = redis_conn_command(conn, argv, 2, deadline_ms, NULL, err);
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

static bool parse_nudge(const redisReply *reply, struct uuid *out_run)
{
    struct text payload, word, id;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        !text_is(redis_reply_text(reply->element[0]), "message"))
        return false;
    payload = redis_reply_text(reply->element[2]);
    return text_cut(payload, ' ', &word, &id) && text_is(word, "cancel") && uuid_parse(id, out_run);
}

int queue_control_next(struct queue_control *control, int64_t deadline_ms, struct uuid *out_run,
                       struct error *err)
{
    for (;;) {
        CLEANUP(redis_reply_freep) redisReply *reply = NULL;
        int r = redis_conn_next(control->conn, deadline_ms, &reply, err);

        if (r < 0)
            return r;
        if (parse_nudge(reply, out_run))
            return 0;
    }
}
