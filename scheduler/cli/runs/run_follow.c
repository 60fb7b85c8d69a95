/* One POST whose reply is the run's events, then, where the line breaks before the end, a GET
 * behind the last event, again and again. A second fiber tells why a run that is queued does not
 * begin. */

#include "scheduler/cli/runs/run_follow.h"

#include <stdio.h>
#include <string.h>

#include "scheduler/cli/runs/run_view.h"
#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/sse/sse.h"

enum {
    WAIT_TELL_MS = 2000,
    WAIT_TELL_AGAIN_MS = 60000,
    GIVE_UP_MS = 60000, /* without any event, while the server can't be reached */
};

struct following {
    struct client *client;
    const struct run_follow *follow;
    struct run_followed *out;
    struct buf last; /* id of the last event */
    bool over;
    bool waits; /* it is queued, as far as is known */
    bool heard; /* an event came over this connection */
};

static void copy_id(struct json_object *from, const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "%.*s", TEXT_ARGS(json_get_text(from, name)));
    if (!client_is_plain(out)) /* it becomes a part of paths */
        *out = '\0';
}

static void hear_run(struct following *following, struct json_object *run)
{
    struct run_followed *out = following->out;

    copy_id(run, "id", out->id, sizeof(out->id));
    copy_id(run, "thread_id", out->thread, sizeof(out->thread));
    json_free(out->run);
    out->run = json_object_get(run);
    following->waits = text_is(json_get_text(run, "status"), "queued");
    following->over = run_is_over(json_get_string(run, "status"));
}

static bool is_of_run(struct text name, struct json_object *data)
{
    return text_starts(name, "thread.run.") && text_is(json_get_text(data, "object"), "thread.run");
}

/* What is told behind the end, `done`, need not be waited for. */
static bool hear(void *arg, const struct sse_event *event)
{
    struct following *following = arg;
    struct json_object *data = NULL;

    following->heard = true;
    buf_reset(&following->last);
    buf_add_text(&following->last, event->id);
    if (json_decode(event->data, JSON_DEPTH_DEFAULT, &data, NULL) < 0)
        return true; /* "[DONE]" */
    if (is_of_run(event->name, data))
        hear_run(following, data);
    following->follow->tell(following->follow->arg, event->name, data);
    json_free(data);
    return !following->over;
}

/* Also where the run was made in the first try and its events could not be had: the key is the
 * same, so the next one gets the events of the same run. */
static int make(struct following *following, struct error *err)
{
    const struct run_follow *follow = following->follow;
    char key[UUID_TEXT_SIZE];
    const struct client_stream stream = {
        .call = {.method = "POST",
                 .path = follow->path,
                 .body = json_text(follow->body),
                 .idempotency_key = key},
        .tell = hear,
        .arg = following,
    };
    int r;

    uuid_format(uuid_new(), key);
    r = client_follow(following->client, &stream, err);
    if (r == 0 && !*following->out->id)
        return error_set(err, E_PROTOCOL, "the server's reply is no run: is it Penstock?");
    return r;
}

static int go_on(struct following *following, struct error *err)
{
    CLEANUP(freep) char *after = client_encode(buf_string(&following->last));
    CLEANUP(freep)
    char *path =
        xasprintf("/v1/runs/%s/events%s%s", following->out->id, *after ? "?after=" : "", after);
    const struct client_stream stream = {
        .call = {.method = "GET", .path = path}, .tell = hear, .arg = following};

    following->heard = false;
    return client_follow(following->client, &stream, err);
}

/* A line that broke, or a server that is away for a while. */
static bool may_pass(int r)
{
    return r == 0 || r == -E_CLOSED || r == -E_TIMEOUT || r == -E_UNAVAILABLE;
}

static int follow_to_the_end(struct following *following, struct error *err)
{
    struct backoff backoff = {.policy = {.base_ms = 100, .cap_ms = 5000}};
    int64_t give_up_ms = deadline_in(GIVE_UP_MS);
    int r = make(following, err);

    while (!following->over && *following->out->id && may_pass(r) && clock_ms() < give_up_ms) {
        r = fiber_sleep(backoff_next_ms(&backoff), err);
        if (r == 0)
            r = go_on(following, err);
        if (!following->heard)
            continue;
        backoff_reset(&backoff);
        give_up_ms = deadline_in(GIVE_UP_MS);
    }
    if (r == 0 && !following->over)
        return error_set(err, E_UNAVAILABLE, "the events of the run end before the run does");
    return following->over ? 0 : r;
}

static void explain(struct following *following)
{
    CLEANUP(buf_deinit) struct buf why;
    CLEANUP(freep) char *path = xasprintf("/v1/runs/%s", following->out->id);
    struct client_reply reply = {0};
    struct error err;

    buf_init(&why, 0);
    if (!*following->out->id || client_get(following->client, path, &reply, &err) < 0)
        return;
    run_explain_wait(following->client, reply.json, &why);
    client_reply_deinit(&reply);
    if (why.len > 0 && following->waits && !fiber_canceled())
        following->follow->wait(following->follow->arg, buf_text(&why));
}

static void tell_waits(void *arg)
{
    struct following *following = arg;
    int64_t sleep_ms = WAIT_TELL_MS;
    struct error err;

    while (fiber_sleep(sleep_ms, &err) == 0) {
        sleep_ms = WAIT_TELL_MS;
        if (!following->waits)
            continue;
        explain(following);
        sleep_ms = WAIT_TELL_AGAIN_MS;
    }
}

int run_follow(struct client *client, const struct run_follow *follow, struct run_followed *out,
               struct error *err)
{
    struct following following = {.client = client, .follow = follow, .out = out};
    struct fiber *teller = NULL;
    int r;

    json_object_object_add(follow->body, "stream", json_object_new_boolean(true));
    buf_init(&following.last, 0);
    if (follow->wait)
        teller = fiber_start("waits", tell_waits, &following);
    r = follow_to_the_end(&following, err);
    if (teller) {
        fiber_cancel(teller);
        fiber_join(teller);
    }
    buf_deinit(&following.last);
    return r;
}
