/* Making runs: the spec is frozen from the assistant and the request, then thread, messages and run
 * are written in one request to the database, and the dispatcher is told. The reply never waits for
 * the dispatcher. On a thread that has an active run, multitask_strategy says what happens
 * (docs/runs.md).
 *
 * The assistant's spec usually comes from the cache. The store refuses one that is not the latest
 * (as AGENT_MISSING, which a deleted assistant gives too); then the spec is read again, once.
 */

#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/new_messages.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/request.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/store/runs/runs.h"

struct making {
    struct request *request;
    struct uuid thread; /* zero: the thread is to be made as well */
    struct uuid agent;
    struct thread_draft thread_draft;
    struct run_draft draft;
    struct new_messages messages;
    struct uuid active;         /* the run that is in the way */
    struct run_stopped stopped; /* the run that had to give way */
};

static int assistant_missing(struct request *request)
{
    return request_missing(request, "assistant", json_get_text(request->body, "assistant_id"));
}

static int thread_busy(struct making *making)
{
    char run[ID_TEXT_SIZE];
    char thread[ID_TEXT_SIZE];

    id_format(ID_RUN, making->active, run);
    id_format(ID_THREAD, making->thread, thread);
    return failure_param(&making->request->failure, 400, NULL, NULL,
                         "Thread %s already has an active run %s.", thread, run);
}

static int thread_full(struct making *making)
{
    char thread[ID_TEXT_SIZE];

    id_format(ID_THREAD, making->thread, thread);
    return failure_param(&making->request->failure, 400, NULL, "thread_full",
                         "Too much waits behind the active run of thread %s: at most %d runs, and "
                         "%d messages that an interrupt joins.",
                         thread, HELD_RUNS_MAX, MESSAGE_DRAFTS_MAX);
}

/* Freezes the spec into the arena. */
static int freeze(struct making *making, const struct agent_template *template)
{
    struct request *request = making->request;
    struct buf spec;
    struct error err;
    int r;

    buf_init(&spec, 0);
    r = run_spec_write(&template->spec, request->body, &spec, &request->failure);
    if (r == 0) {
        run_spec_add_trace(&spec, fiber_log_context()->trace);
        making->draft.agent_version = template->version;
        making->draft.spec =
            (struct text){arena_copy(&request->exchange->arena, buf_text(&spec)), spec.len};
        if (spec.failed || !making->draft.spec.ptr) {
            (void)error_set(&err, E_LIMIT, "the run is too large");
            r = request_failed(request, &err);
        }
    }
    buf_deinit(&spec);
    return r;
}

static int write_run(struct making *making, struct run *out, struct error *err)
{
    struct text strategy = json_get_text(making->request->body, "multitask_strategy");
    struct store *store = &making->request->store;
    struct thread thread;

    if (uuid_is_zero(making->thread))
        return runs_create_with_thread(store, &making->thread_draft, &making->draft, &thread, out,
                                       err);
    if (text_is(strategy, "enqueue"))
        return runs_enqueue(store, &making->draft, MULTITASK_ENQUEUE, out, &making->stopped, err);
    if (text_is(strategy, "interrupt"))
        return runs_enqueue(store, &making->draft, MULTITASK_INTERRUPT, out, &making->stopped, err);
    if (text_is(strategy, "rollback"))
        return runs_enqueue(store, &making->draft, MULTITASK_ROLLBACK, out, &making->stopped, err);
    return runs_create(store, &making->draft, out, &making->active, err);
}

/* One attempt. Returns 0; AGENT_MISSING; -E_INVALID with request->failure. */
static int attempt(struct making *making, bool fresh, struct run *out)
{
    struct request *request = making->request;
    struct agent_template template;
    struct error err;
    int r = agent_cache_find(request->api->agents, &request->store, making->agent, fresh, &template,
                             &err);

    if (r < 0)
        return request_failed(request, &err);
    if (r == AGENT_MISSING)
        return r;
    r = freeze(making, &template);
    if (r < 0)
        return r;
    r = write_run(making, out, &err);
    request->found =
        r == -E_CONFLICT || (r == THREAD_BUSY && uuid_equal(making->active, making->draft.id));
    if (r == -E_AMBIGUOUS || request->found) {
        r = runs_get(&request->store, making->thread, making->draft.id, out, &err);
        if (r == RUN_MISSING)
            r = error_set(&err, E_AMBIGUOUS, "not known whether the run was created");
    }
    if (r == THREAD_MISSING)
        return request_missing(request, "thread", request->exchange->params[0]);
    if (r == THREAD_BUSY)
        return thread_busy(making);
    if (r == THREAD_FULL)
        return thread_full(making);
    return r < 0 ? request_failed(request, &err) : r;
}

static void announce(struct making *making, const struct run *run)
{
    const struct api_events *events = &making->request->api->events;

    making->request->api->metrics.runs_created++;
    if (!uuid_is_zero(making->stopped.id) && events->run_cancelling)
        events->run_cancelling(making->stopped.owner, making->stopped.id, events->arg);
    if (!run->held && events->run_ready)
        events->run_ready(making->draft.id, making->request->store.tenant, making->draft.shard,
                          (int)making->draft.priority, events->arg);
}

/* A claim of an idempotency key was taken over: was the run made already? */
static int find_made(struct making *making, struct run *out)
{
    struct error err;
    int r;

    if (!making->request->replaying)
        return RUN_MISSING;
    r = runs_get(&making->request->store, making->thread, making->draft.id, out, &err);
    return r < 0 ? request_failed(making->request, &err) : r;
}

static int make(struct making *making)
{
    struct request *request = making->request;
    struct run run;
    int r = find_made(making, &run);

    request->found = r == 0;
    if (r == RUN_MISSING) {
        r = attempt(making, false, &run);
        if (r == AGENT_MISSING) {
            agent_cache_forget(request->api->agents, request->store.tenant, making->agent);
            r = attempt(making, true, &run);
        }
        if (r == AGENT_MISSING)
            return assistant_missing(request);
        if (r == 0)
            announce(making, &run);
    }
    if (r < 0)
        return r;
    render_run(&run, &request->reply);
    return 0;
}

static enum run_priority priority_of(struct text word)
{
    if (text_is(word, "high"))
        return RUN_PRIORITY_HIGH;
    return text_is(word, "low") ? RUN_PRIORITY_LOW : RUN_PRIORITY_NORMAL;
}

/* What both ways of making a run have in common. */
static int begin(struct request *request, struct making *making)
{
    struct api *api = request->api;

    *making = (struct making){.request = request};
    making->draft.id = request->object;
    making->draft.priority = priority_of(json_get_text(request->body, "priority"));
    making->draft.shard = request->object.bytes[15] % api->shards;
    making->draft.expires_in_ms = api->run_ttl_ms;
    making->draft.metadata = request_json(request, "metadata");
    if (!id_parse(ID_ASSISTANT, json_get_text(request->body, "assistant_id"), &making->agent))
        return assistant_missing(request);
    making->draft.agent = making->agent;
    return request_check_model(request);
}

static int run_create(struct request *request)
{
    struct making making;
    int r = begin(request, &making);

    if (r == 0)
        r = request_id(request, 0, ID_THREAD, "thread", &making.thread);
    if (r == 0)
        r = new_messages_read(request, json_get(request->body, "additional_messages"),
                              &making.messages);
    if (r < 0)
        return r;
    making.draft.thread = making.thread;
    making.draft.messages = making.messages.items;
    making.draft.message_count = making.messages.count;
    return make(&making);
}

static int run_create_with_thread(struct request *request)
{
    struct json_object *thread = json_get(request->body, "thread");
    struct json_object *metadata = json_get(thread, "metadata");
    struct json_object *resources = json_get(thread, "tool_resources");
    struct making making;
    int r = begin(request, &making);

    if (r == 0)
        r = new_messages_read(request, json_get(thread, "messages"), &making.messages);
    if (r < 0)
        return r;
    if (!resources)
        resources = json_get(request->body, "tool_resources");
    making.thread_draft.id = uuid_new();
    making.thread_draft.metadata = metadata ? json_text(metadata) : TEXT_NONE;
    making.thread_draft.tool_resources = resources ? json_text(resources) : TEXT_NONE;
    making.thread_draft.messages = making.messages.items;
    making.thread_draft.message_count = making.messages.count;
    return make(&making);
}

/* What OpenAI shows more of when asked, there is none of here. */
static const char *const run_create_query[] = {"include[]", NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/runs",
     .handle = run_create_with_thread,
     .takes = TAKES_JSON, .body = &body_create_thread_and_run, .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/runs",
     .handle = run_create,
     .takes = TAKES_JSON, .body = &body_create_run,
     .query = run_create_query, .flags = ENDPOINT_CREATES},
};
/* clang-format on */

const struct endpoint_table run_create_endpoints = ENDPOINT_TABLE(table);
