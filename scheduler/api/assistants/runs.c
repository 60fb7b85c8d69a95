/* Runs: look, list, label, cancel, redrive. The routes without a thread serve who knows only the
 * run. */

#include <stdio.h>

#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/assistants/run_room.h"
#include "scheduler/api/listing.h"
#include "scheduler/api/request.h"
#include "shared/base/clock.h"
#include "shared/store/polls/run_reader.h"
#include "shared/store/runs/runs.h"

/* The thread and run of the path; on /v1/runs/{run_id} the thread is zero: any. */
struct run_path {
    struct uuid thread;
    struct uuid run;
    struct text run_text;
};

static int read_path(struct request *request, bool any_thread, struct run_path *out)
{
    int r;

    *out = (struct run_path){.run_text = request->exchange->params[any_thread ? 0 : 1]};
    if (!any_thread) {
        r = request_id(request, 0, ID_THREAD, "thread", &out->thread);
        if (r < 0)
            return r;
    }
    return request_id(request, any_thread ? 0 : 1, ID_RUN, "run", &out->run);
}

/* The time in a UUIDv7 (RFC 9562, section 5.7). */
static int64_t created_ms(struct uuid id)
{
    int64_t ms = 0;

    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.bytes[i];
    return ms;
}

/* The same for what changes a run, whose reply is the run: with room for it. */
static int read_path_for_change(struct request *request, bool any_thread, struct run_path *out)
{
    int r = read_path(request, any_thread, out);

    if (r == 0)
        r = run_make_room(request, out->thread, out->run);
    return r == RUN_MISSING ? request_missing(request, "run", out->run_text) : r;
}

/* Tells pollers when to look again, and learns from runs that have ended how long runs take. */
static void advise_pollers(struct request *request, const struct run *run)
{
    struct poll *poll = &request->api->poll;
    int64_t now_ms = clock_wall_ms();
    char value[24];

    if (run_status_terminal(run->status)) {
        /* Ends are known to the second. */
        if (run->completed_at && now_ms / 1000 - run->completed_at < 60)
            poll_observe(poll, run->completed_at * 1000 + 500 - created_ms(run->id));
        return;
    }
    snprintf(
        value, sizeof(value), "%lld",
        (long long)poll_after_ms(poll, run->status == RUN_QUEUED, now_ms - created_ms(run->id)));
    http_add_header(request->exchange, "openai-poll-after-ms", text_of(value));
}

/* The run that the path names. Returns 0, or -E_INVALID with request->failure. */
static int find(struct request *request, bool any_thread, struct run *out)
{
    struct run_path path;
    struct error err;
    int r = read_path(request, any_thread, &path);

    if (r < 0)
        return r;
    r = run_reader_get(request->api->run_reader, &request->store, path.thread, path.run, out, &err);
    if (r == RUN_UNREAD) {
        r = run_make_room(request, path.thread, path.run);
        if (r < 0)
            return r;
        if (r == 0)
            r = runs_get(&request->store, path.thread, path.run, out, &err);
    }
    if (r == RUN_MISSING)
        return request_missing(request, "run", path.run_text);
    return r < 0 ? request_failed(request, &err) : 0;
}

static int get(struct request *request, bool any_thread)
{
    struct run run;
    int r = find(request, any_thread, &run);

    if (r < 0)
        return r;
    advise_pollers(request, &run);
    render_run(&run, &request->reply);
    return 0;
}

static int run_get(struct request *request)
{
    return get(request, false);
}

static int run_get_any(struct request *request)
{
    return get(request, true);
}

static void render_runs(struct listing *list, const struct run_list *runs)
{
    for (size_t i = 0; i < runs->count; i++) {
        listing_add(list, runs->items[i].id);
        render_run(&runs->items[i], list->out);
    }
    listing_end(list, runs->has_more);
}

static int run_list(struct request *request)
{
    struct run_list runs;
    struct listing list;
    struct uuid thread;
    struct error err;
    int r = request_id(request, 0, ID_THREAD, "thread", &thread);

    if (r == 0)
        r = listing_begin(&list, request, ID_RUN);
    if (r < 0)
        return r;
    r = runs_list(&request->store, thread, &list.page, &runs, &err);
    if (r == THREAD_MISSING)
        return request_missing(request, "thread", request->exchange->params[0]);
    if (r < 0)
        return request_failed(request, &err);
    render_runs(&list, &runs);
    return 0;
}

/* status=queued,in_progress, or repeated, or absent for any. */
static int read_statuses(struct request *request, unsigned *out)
{
    struct text list;

    *out = 0;
    for (size_t i = 0; i < RUN_STATUS_COUNT; i++) {
        list = http_query_get(request->exchange, "status", i);
        while (list.len > 0) {
            struct text word = list;
            enum run_status status;
            char names[160];
            char shown[32];

            if (!text_cut(list, ',', &word, &list))
                list = TEXT_NONE;
            if (!run_status_parse(word, &status)) {
                words_format(run_status_names, names, sizeof(names));
                text_excerpt(word, shown, sizeof(shown));
                return failure_param(&request->failure, 400, "status", "invalid_value",
                                     "Invalid value: '%s'. Supported values are: %s.", shown,
                                     names);
            }
            *out |= 1U << status;
        }
    }
    return 0;
}

/* status, assistant_id and min_crashes of the query. */
static int read_filter(struct request *request, struct run_filter *out)
{
    struct text agent = http_query_get(request->exchange, "assistant_id", 0);
    struct text crashes = http_query_get(request->exchange, "min_crashes", 0);
    int64_t crashes_min = 0;

    if (agent.len > 0 && (!id_parse(ID_ASSISTANT, agent, &out->agent) || uuid_is_zero(out->agent)))
        return request_missing(request, "assistant", agent);
    if (crashes.len > 0 &&
        (!text_to_int(crashes, &crashes_min) || crashes_min < 0 || crashes_min > INT16_MAX))
        return failure_param(&request->failure, 400, "min_crashes", "invalid_value",
                             "Invalid 'min_crashes': expected an integer of 0 or more.");
    out->crashes_min = (int)crashes_min;
    return read_statuses(request, &out->statuses);
}

static int run_list_all(struct request *request)
{
    struct run_list runs;
    struct listing list;
    struct run_filter filter = {0};
    struct error err;
    int r = listing_begin(&list, request, ID_RUN);

    if (r == 0)
        r = read_filter(request, &filter);
    if (r < 0)
        return r;
    r = runs_list_all(&request->store, &filter, &list.page, &runs, &err);
    if (r < 0)
        return request_failed(request, &err);
    render_runs(&list, &runs);
    return 0;
}

static int run_update(struct request *request)
{
    struct text metadata = request_json(request, "metadata");
    struct run_path path;
    struct run run;
    struct error err;
    int r = read_path_for_change(request, false, &path);

    if (r < 0)
        return r;
    if (json_has(request->body, "metadata"))
        r = runs_update(&request->store, path.thread, path.run,
                        metadata.ptr ? metadata : TEXT("{}"), &run, &err);
    else
        r = runs_get(&request->store, path.thread, path.run, &run, &err);
    if (r == RUN_MISSING)
        return request_missing(request, "run", path.run_text);
    if (r < 0)
        return request_failed(request, &err);
    render_run(&run, &request->reply);
    return 0;
}

static int cancel(struct request *request, bool any_thread)
{
    const struct run_events *events = &request->api->events;
    struct run_path path;
    struct run run;
    struct error err;
    int r = read_path_for_change(request, any_thread, &path);

    if (r < 0)
        return r;
    r = runs_cancel(&request->store, path.thread, path.run, &run, &err);
    if (r == RUN_MISSING)
        return request_missing(request, "run", path.run_text);
    if (r == RUN_ENDED)
        return failure_param(&request->failure, 400, NULL, NULL,
                             "Cannot cancel run with status '%s'.", run_status_name(run.status));
    if (r < 0)
        return request_failed(request, &err);
    if (run.status == RUN_CANCELLING && run.owner && events->run_cancelling)
        events->run_cancelling(run.owner, run.id, events->arg);
    render_run(&run, &request->reply);
    return 0;
}

static int run_cancel(struct request *request)
{
    return cancel(request, false);
}

static int run_cancel_any(struct request *request)
{
    return cancel(request, true);
}

/* Why a run can't be redriven, and what would be right. */
static int unfit(struct request *request, const struct run *run)
{
    const char *status = run_status_name(run->status);

    if (!run_status_terminal(run->status))
        return failure_param(&request->failure, 400, NULL, NULL,
                             "Cannot redrive run with status '%s': it is not over yet. Wait for "
                             "its end, or cancel it.",
                             status);
    return failure_param(&request->failure, 400, NULL, NULL,
                         "Cannot redrive run with status '%s': only failed and expired runs get "
                         "another chance. Create a new run on its thread.",
                         status);
}

static int redrive(struct request *request, bool any_thread)
{
    const struct run_events *events = &request->api->events;
    char active_text[ID_TEXT_SIZE];
    struct run_path path;
    struct uuid active;
    struct run run;
    struct error err;
    int r = read_path_for_change(request, any_thread, &path);

    if (r < 0)
        return r;
    r = runs_redrive(&request->store, path.thread, path.run, request->api->run_ttl_ms, &run,
                     &active, &err);
    if (r == RUN_MISSING)
        return request_missing(request, "run", path.run_text);
    if (r == RUN_UNFIT)
        return unfit(request, &run);
    if (r == THREAD_BUSY) {
        id_format(ID_RUN, active, active_text);
        return failure_param(&request->failure, 400, NULL, NULL,
                             "Cannot redrive run %.*s: its thread already has an active run %s. "
                             "Try again when that has ended.",
                             TEXT_ARGS(path.run_text), active_text);
    }
    if (r < 0)
        return request_failed(request, &err);
    if (events->run_ready)
        events->run_ready(run.id, request->store.tenant, run.shard, (int)run.priority, events->arg);
    render_run(&run, &request->reply);
    return 0;
}

static int run_redrive(struct request *request)
{
    return redrive(request, false);
}

static int run_redrive_any(struct request *request)
{
    return redrive(request, true);
}

static const char *const runs_query[] = {LISTING_QUERY, "status", "assistant_id", "min_crashes",
                                         NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads/{thread_id}/runs",
     .handle = run_list,
     .query = listing_query,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads/{thread_id}/runs/{run_id}",
     .handle = run_get},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/runs/{run_id}",
     .handle = run_update,
     .takes = TAKES_JSON, .body = &body_update_run},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/runs/{run_id}/cancel",
     .handle = run_cancel},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/runs/{run_id}/redrive",
     .handle = run_redrive},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/runs",
     .handle = run_list_all,
     .query = runs_query,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/runs/{run_id}",
     .handle = run_get_any},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/runs/{run_id}/cancel",
     .handle = run_cancel_any},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/runs/{run_id}/redrive",
     .handle = run_redrive_any},
};
/* clang-format on */

const struct endpoint_table run_endpoints = ENDPOINT_TABLE(table);
