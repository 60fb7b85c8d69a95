/* The reply of the first half is kept with an Idempotency-Key. So a request that is sent again
 * waits for the same response, and is shown its end, too. */

#include "scheduler/api/openai/responses/response_end.h"

#include "scheduler/api/openai/responses/events/response_events.h"
#include "scheduler/api/openai/responses/response_find.h"
#include "scheduler/api/openai/responses/response_output.h"
#include "scheduler/api/openai/responses/response_render.h"
#include "scheduler/api/stream/follow.h"
#include "scheduler/live/live.h"
#include "scheduler/waits/waits.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/json/json_raw.h"
#include "shared/store/fleet/erasures.h"

/* The id of the reply, which response_write has written. */
static bool read_reply(const struct request *request, struct uuid *out, bool *out_background,
                       bool *out_stored)
{
    struct text reply = buf_text(&request->reply);
    CLEANUP(buf_deinit) struct buf id;

    buf_init(&id, 0);
    (void)json_raw_add_string(json_raw_get(reply, "id"), &id);
    *out_background = json_raw_is_true(json_raw_get(reply, "background"));
    *out_stored = json_raw_is_true(json_raw_get(reply, "store"));
    return id_parse(ID_RESPONSE, buf_text(&id), out);
}

/* The client may look, and not ask anew. */
static int not_in_time(struct request *request, struct uuid id)
{
    bool ends = waits_have_ended(request->api->waits);
    char text[ID_TEXT_SIZE];

    id_format(ID_RESPONSE, id, text);
    (void)failure_param(&request->failure, ends ? 503 : 504, NULL,
                        ends ? "service_unavailable" : "response_timeout",
                        "The response %s is still being made, and this request can't wait any "
                        "longer. It goes on: GET /v1/responses/%s shows it. What takes long is "
                        "better asked for with 'background': true.",
                        text, text);
    request->failure.retry = ends ? RETRY_YES : RETRY_NO;
    return -E_INVALID;
}

/* What was not to be stored was shown, and goes. Where that fails the sweep finds it. */
static void erase(struct request *request, struct uuid thread)
{
    struct error err;
    int r = threads_erase(&request->store, thread, &err);

    if (r < 0)
        log_debug("a response could not be erased", LOG_ERROR(&err));
    if (r == 0)
        run_events_thread_gone(&request->api->events, thread);
}

int response_finish(struct request *request)
{
    struct uuid thread;
    bool background;
    bool stored;
    struct uuid id;
    int r;

    if (!read_reply(request, &id, &background, &stored) || background)
        return 0;
    buf_reset(&request->reply);
    r = response_await(request, id, request->api->response_wait_ms, &thread);
    if (r == 0 && !stored)
        erase(request, thread);
    return r == RESPONSE_UNENDED ? not_in_time(request, id) : r;
}

static int crowded(struct request *request)
{
    (void)failure_param(&request->failure, 503, NULL, "service_unavailable",
                        "As many streams are open as may be. Please try again, or retrieve the "
                        "response without 'stream'.");
    request->failure.retry = RETRY_YES;
    request->failure.retry_after_s = 1;
    return -E_INVALID;
}

int response_follow(struct request *request, struct uuid run, int64_t after)
{
    struct response_tape tape;
    const struct follow follow = {.run = run, .format = &response_events, .memory = &tape};
    int r;

    if (!request->api->live || !live_has_room(request->api->live, *request_readers(request)))
        return crowded(request);
    response_tape_init(&tape, request, after);
    r = follow_run(request, &follow);
    if (r == 0 && tape.unstored)
        erase(request, tape.thread);
    response_tape_deinit(&tape);
    return r == RUN_MISSING ? response_missing(request, run) : r;
}

int response_stream(struct request *request)
{
    bool background;
    bool stored;
    struct uuid id;

    if (!read_reply(request, &id, &background, &stored))
        return 0;
    return response_follow(request, id, -1);
}
