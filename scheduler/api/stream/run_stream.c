/* From the JSON of a reply to the events of the run that it shows. So a request that is sent again
 * gets the events of the run that the first one made, too. */

#include "scheduler/api/stream/run_stream.h"

#include "scheduler/api/stream/follow.h"
#include "scheduler/live/live.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/runs/runs.h"

enum { STEPS_AT_ONCE = 16, STEP_PAGES_MAX = 5 };

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
    if (live && live_has_room(live, *request_readers(request))) {
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
    struct follow follow = {.until_action = true, .is_there = true};
    int r;

    if (!read_run(request, &follow.thread, &follow.run))
        return 0; /* no run was made: the reply says why */
    if (request->shown)
        follow.shown = *request->shown;
    r = run_stream_format(request, &follow.format);
    if (r < 0)
        return r;
    follow.with_thread = with_thread && follow.format == &assistants_events;
    return follow_run(request, &follow);
}

int run_stream(struct request *request)
{
    return follow_reply(request, false);
}

int run_stream_with_thread(struct request *request)
{
    return follow_reply(request, true);
}

static bool has_call(const struct run_step *step, struct text call)
{
    CLEANUP(json_freep) struct json_object *calls = NULL;
    struct error err;
    size_t count;

    if (!step->tool_calls.ptr ||
        json_decode(step->tool_calls, JSON_DEPTH_DEFAULT, &calls, &err) < 0 ||
        json_type_of(calls) != json_type_array)
        return false;
    count = json_object_array_length(calls);
    for (size_t i = 0; i < count; i++)
        if (text_equal(json_get_text(json_object_array_get_idx(calls, i), "id"), call))
            return true;
    return false;
}

/* Where the calls are that came with `call`: the step that it is in. */
struct calls_search {
    struct uuid run;
    struct text call;
    struct page page; /* the next one */
    bool has_more;
    struct uuid step; /* zero: not found yet */
    int64_t seq;
};

/* Looks on the next page. Returns 0, RUN_MISSING, or a failure. */
static int look_for_calls(const struct request *request, struct calls_search *search,
                          struct error *err)
{
    struct store store = request->store;
    struct run_step_list steps;
    struct arena arena;
    int r;

    arena_init(&arena, 0);
    store.arena = &arena;
    r = run_steps_list(&store, search->run, &search->page, &steps, err);
    for (size_t i = 0; r == 0 && i < steps.count && uuid_is_zero(search->step); i++) {
        search->page.after = steps.items[i].id;
        if (!has_call(&steps.items[i], search->call))
            continue;
        search->step = steps.items[i].id;
        search->seq = steps.items[i].seq;
    }
    search->has_more = r == 0 && steps.has_more;
    search->page.limit = STEPS_AT_ONCE;
    arena_deinit(&arena);
    return r;
}

/* The newest step has them, unless what is asked for was done before. Where they are not found,
 * nothing counts as shown. */
int run_stream_behind_calls(struct request *request, struct uuid run, struct text call)
{
    struct shown *shown = arena_calloc(&request->exchange->arena, 1, sizeof(*shown));
    struct calls_search search = {.run = run, .call = call, .page = {.limit = 1}};
    struct error err;
    int pages = 0;
    int r;

    do
        r = look_for_calls(request, &search, &err);
    while (search.has_more && uuid_is_zero(search.step) && ++pages < STEP_PAGES_MAX);
    if (r < 0)
        return request_failed(request, &err);
    if (uuid_is_zero(search.step) || !shown)
        return 0; /* the endpoint finds out what is wrong */
    *shown = (struct shown){
        .run = SHOWN_REQUIRES_ACTION,
        .seq = search.seq - 1,
        .open = SHOWN_CALLS,
        .step = search.step,
        .phase = 2,
        .calls = SHOWN_ALL,
        .arguments = SHOWN_ALL,
        .output = true,
    };
    request->shown = shown;
    return 0;
}
