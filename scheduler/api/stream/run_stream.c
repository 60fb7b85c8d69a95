/* From the JSON of a reply to the events of the run that it shows. So a request that is sent again
 * gets the events of the run that the first one made, too. */

#include "scheduler/api/stream/run_stream.h"

#include "scheduler/api/stream/follow.h"
#include "scheduler/live/live.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/runs/runs.h"

/* The run of the reply. False: it shows none. */
static bool read_run(const struct request *request, struct uuid *out_thread, struct uuid *out_run)
{
    CLEANUP(json_freep) struct json_object *reply = NULL;
    struct json_object *run;
    struct error err;

    if (json_decode(buf_text(&request->reply), JSON_DEPTH_DEFAULT, &reply, &err) < 0)
        return false;
    run = json_has(reply, "run") ? json_get(reply, "run") : reply;
    return id_parse(ID_RUN, json_get_text(run, "id"), out_run) &&
           id_parse(ID_THREAD, json_get_text(run, "thread_id"), out_thread);
}

const char *const stream_query[] = {"format", NULL};

int run_stream_format(struct request *request, const struct event_format **out)
{
    struct text name = http_query_get(request->exchange, "format", 0);
    char shown[32];

    *out = &assistants_events;
    if (!name.ptr)
        return 0;
    *out = &simple_events;
    if (text_is(name, simple_events.name))
        return 0;
    text_excerpt(name, shown, sizeof(shown));
    return failure_param(&request->failure, 400, "format", "invalid_value",
                         "Invalid 'format': '%s'. Supported values are: simple.", shown);
}

int run_stream_expect(struct request *request, struct uuid run)
{
    struct live *live = request->api->live;
    const struct event_format *format;
    int r;

    if (!request_streams(request))
        return 0;
    r = run_stream_format(request, &format);
    if (r < 0)
        return r;
    if (live && live_has_room(live)) {
        live_expect(live, run);
        return 0;
    }
    (void)failure_param(&request->failure, 503, NULL, "service_unavailable",
                        "As many streams are open as may be. Please try again, or leave out "
                        "'stream' and poll the run.");
    request->failure.retry = RETRY_YES;
    request->failure.retry_after_s = 1;
    return -E_INVALID;
}

static int follow_reply(struct request *request, bool with_thread)
{
    struct follow follow = {.until_action = true};
    int r;

    if (!read_run(request, &follow.thread, &follow.run))
        return 0; /* no run was made: the reply says why */
    if (request->shown)
        follow.shown = *request->shown;
    r = run_stream_format(request, &follow.format);
    if (r < 0)
        return r;
    follow.with_thread = with_thread && follow.format == &assistants_events;
    r = follow_run(request, &follow);
    return r == RUN_MISSING ? request_missing(request, "run", TEXT("of this request")) : r;
}

int run_stream(struct request *request)
{
    return follow_reply(request, false);
}

int run_stream_with_thread(struct request *request)
{
    return follow_reply(request, true);
}

int run_stream_behind_calls(struct request *request, struct uuid run)
{
    const struct page page = {.limit = 1};
    struct run_step_list steps;
    struct shown *shown = arena_calloc(&request->exchange->arena, 1, sizeof(*shown));
    struct error err;
    int r = run_steps_list(&request->store, run, &page, &steps, &err);

    if (r < 0)
        return request_failed(request, &err);
    if (r > 0 || steps.count == 0 || !shown)
        return 0; /* the endpoint finds out what is wrong */
    *shown = (struct shown){
        .run = SHOWN_REQUIRES_ACTION,
        .seq = steps.items[0].seq - 1,
        .open = SHOWN_CALLS,
        .step = steps.items[0].id,
        .phase = 2,
        .calls = SHOWN_ALL,
        .arguments = SHOWN_ALL,
        .output = true,
    };
    request->shown = shown;
    return 0;
}
