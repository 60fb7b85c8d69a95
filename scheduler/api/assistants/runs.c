/* Runs: list, label, cancel, redrive. The routes without a thread serve who knows only the run. */

#include "shared/store/runs/runs.h"
#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/assistants/run_look.h"
#include "scheduler/api/assistants/run_path.h"
#include "scheduler/api/listing.h"
#include "scheduler/api/request.h"

static const char *const run_kinds[] = {"agent", "completion", "embedding", "memory", NULL};

/* For what changes a run, whose reply is the run: with room for it. */
static int read_path_for_change(struct request *request, bool any_thread, struct run_path *out)
{
    int r = run_path_read(request, any_thread, out);

    if (r == 0)
        r = run_make_room(request, out->thread, out->run);
    return r == RUN_MISSING ? request_missing(request, "run", out->run_text) : r;
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

static int read_filter(struct request *request, struct run_filter *out)
{
    int64_t crashes_min = 0;
    int r = request_query_agent(request, "assistant_id", AGENT_AS_SAID, &out->agent);

    if (r == 0)
        r = read_statuses(request, &out->statuses);
    if (r == 0)
        r = request_query_int(request, "min_crashes", 0, INT16_MAX, &crashes_min);
    if (r == 0)
        r = request_query_user(request, "user", &out->user);
    if (r == 0)
        r = request_query_metadata(request, &out->metadata);
    if (r == 0)
        r = request_query_time(request, "created_after", &out->from);
    if (r == 0)
        r = request_query_time(request, "created_before", &out->until);
    if (out->until == 0)
        out->until = 1; /* 0 means whenever to the store; nothing was created as early as either */
    out->crashes_min = (int)crashes_min;
    return r == 0 ? request_query_word(request, "kind", run_kinds, &out->kind) : r;
}

static int run_list_all(struct request *request)
{
    struct run_list runs;
    struct listing list;
    struct run_filter filter = {.until = REQUEST_TIME_MAX};
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
    run_events_changed(&request->api->events, run.id);
    render_run(&run, &request->reply);
    return 0;
}

static int cancel(struct request *request, bool any_thread)
{
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
    run_events_cancelled(&request->api->events, &run);
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

    if (uuid_is_zero(run->thread_id))
        return failure_param(&request->failure, 400, NULL, NULL,
                             "Cannot redrive a run without a thread: make the call again.");
    if (!text_is(run->kind, "agent"))
        return failure_param(&request->failure, 400, NULL, NULL,
                             "Cannot redrive a run of the kind '%.*s': the next run on its thread "
                             "is followed by another one.",
                             TEXT_ARGS(run->kind));
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
    run_events_ready(&request->api->events, request->store.tenant, &run);
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

static const char *const runs_query[] = {
    LISTING_QUERY, "status",        "assistant_id",  "kind",           "min_crashes",
    "user",        "metadata[KEY]", "created_after", "created_before", NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads/{thread_id}/runs",
     .handle = run_list,
     .query = listing_query,
     .flags = ENDPOINT_LARGE},
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
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/runs/{run_id}/cancel",
     .handle = run_cancel_any},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/runs/{run_id}/redrive",
     .handle = run_redrive_any},
};
/* clang-format on */

const struct endpoint_table run_endpoints = ENDPOINT_TABLE(table);
