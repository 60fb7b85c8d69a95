/* What a run would be given of its thread, and what not, and why: an extension, OpenAI has none.
 * Of the thread is read what such a run would read. */

#include <string.h>

#include "providers/context/context.h"
#include "providers/models/registry.h"
#include "scheduler/api/assistants/context/context_near.h"
#include "scheduler/api/assistants/context/context_view.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/assistants/run_look.h"
#include "scheduler/api/request.h"
#include "shared/agent/prompt.h"
#include "shared/agent/spec.h"
#include "shared/base/error.h"
#include "shared/fiber/offload.h"
#include "shared/store/agents/agents.h"
#include "shared/store/threads/threads.h"

/* As worker/run/resume.c. */
#define HISTORY_MESSAGES 4000
#define HISTORY_BYTES    ((int64_t)8 << 20)

struct viewing {
    struct request *request;
    struct context_view view;
    struct context_ask ask;
    int64_t bytes; /* of what was read */
    int result;
    struct error err;
};

static int out_of_room(struct viewing *viewing)
{
    (void)error_set(&viewing->err, E_LIMIT, "the thread is too large to be shown");
    return request_failed(viewing->request, &viewing->err);
}

/* ---- whose settings ---- */

static void add_text(struct json_object *object, const char *name, struct text text)
{
    if (text.len > 0)
        json_object_object_add(object, name, json_object_new_string_len(text.ptr, (int)text.len));
}

/* The agent's spec, as that of a run would be: with its parts in words, and what the thread
 * says. */
static int freeze(struct viewing *viewing, const struct agent *agent, const struct thread *thread)
{
    CLEANUP(json_freep) struct json_object *spec = NULL;
    CLEANUP(buf_deinit) struct buf preamble;
    struct arena *arena = viewing->request->store.arena;
    struct json_object *memory = NULL;
    struct agent_spec parts;
    struct text text;
    int r = agent ? json_decode(agent->spec, JSON_DEPTH_DEFAULT * 2, &spec, &viewing->err) : 0;

    buf_init(&preamble, 0);
    if (!agent)
        spec = json_object_new_object();
    if (r == 0 && agent)
        r = agent_spec_parse(agent->spec, arena, &parts, &viewing->err);
    if (r == 0 && thread->memory.ptr)
        r = json_decode(thread->memory, JSON_DEPTH_DEFAULT, &memory, &viewing->err);
    if (r < 0)
        return request_failed(viewing->request, &viewing->err);
    if (agent)
        agent_preamble_write(&parts, &preamble);
    add_text(spec, "preamble", buf_text(&preamble));
    if (memory)
        json_object_object_add(spec, "thread_memory", memory);
    context_settings_read(spec, &viewing->view.settings);
    viewing->view.settings.summary_model = TEXT_NONE; /* it goes with the spec */
    if (!agent)
        return 0;
    text = json_text(spec);
    viewing->view.spec = (struct text){arena_copy(arena, text), text.len};
    return viewing->view.spec.ptr ? 0 : out_of_room(viewing);
}

static int read_agent(struct viewing *viewing, struct agent *out)
{
    struct request *request = viewing->request;
    size_t bytes;
    int r = agents_look(&request->store, viewing->view.agent, out, &bytes, &viewing->err);

    if (r == AGENT_LARGE) {
        r = request_enlarge(request, 4 * bytes);
        if (r < 0)
            return r;
        r = agents_get(&request->store, viewing->view.agent, out, &viewing->err);
    }
    return r < 0 ? request_failed(request, &viewing->err) : r;
}

/* A run that would be made now: of the agent that is named, else of the thread's, if that is
 * there. */
static int look_at_agent(struct viewing *viewing, const struct thread *thread)
{
    struct request *request = viewing->request;
    struct agent agent;
    int r = request_query_agent(request, "assistant_id", AGENT_THERE, &viewing->view.agent);

    if (r < 0)
        return r;
    if (uuid_is_zero(viewing->view.agent))
        viewing->view.agent = thread->agent;
    r = uuid_is_zero(viewing->view.agent) ? AGENT_MISSING : read_agent(viewing, &agent);
    if (r < 0)
        return r;
    return freeze(viewing, r == AGENT_MISSING ? NULL : &agent, thread);
}

static int look_at_run(struct viewing *viewing, struct text named)
{
    CLEANUP(json_freep) struct json_object *spec = NULL;
    struct request *request = viewing->request;
    struct context_view *view = &viewing->view;
    struct run run;
    int r;

    if (!id_parse(ID_RUN, named, &view->run))
        return request_missing(request, "run", named);
    r = run_look_read(request, view->thread, view->run, &run);
    if (r == RUN_MISSING)
        return request_missing(request, "run", named);
    if (r < 0)
        return r;
    if (json_decode(run.spec, JSON_DEPTH_DEFAULT * 2, &spec, &viewing->err) < 0)
        return request_failed(request, &viewing->err);
    view->agent = run.agent_id;
    view->spec = run.spec;
    context_settings_read(spec, &view->settings);
    view->settings.summary_model = TEXT_NONE;
    return 0;
}

/* ---- the model ---- */

static int find_model(struct viewing *viewing)
{
    CLEANUP(json_freep) struct json_object *spec = NULL;
    struct context_view *view = &viewing->view;
    struct provider_target target;
    struct error ignored;
    struct text model;

    if (!view->spec.ptr)
        return 0;
    if (json_decode(view->spec, JSON_DEPTH_DEFAULT * 2, &spec, &viewing->err) < 0)
        return request_failed(viewing->request, &viewing->err);
    model = json_get_text(spec, "model");
    if (!model.ptr)
        return 0;
    view->model.ptr = arena_copy(viewing->request->store.arena, model);
    view->model.len = view->model.ptr ? model.len : 0;
    if (provider_registry_resolve(viewing->request->api->registry, model, &target, &ignored) < 0)
        return 0;
    view->context_tokens = target.context_tokens;
    view->output_tokens = target.output_tokens_max;
    return 0;
}

/* ---- what is read ---- */

/* With room for it. */
static int read_part(struct viewing *viewing, const struct history_limits *limits,
                     struct message_list *out)
{
    struct request *request = viewing->request;
    int64_t bytes;
    int r = messages_history_bytes(&request->store, viewing->view.thread, limits, &bytes,
                                   &viewing->err);

    if (r == 0 && bytes > SMALL_BYTES_MAX) {
        r = request_enlarge(request, 4 * (size_t)bytes);
        if (r < 0)
            return r;
    }
    if (r == 0)
        r = messages_history(&request->store, viewing->view.thread, limits, out, &viewing->err);
    viewing->bytes += bytes;
    return r < 0 ? request_failed(request, &viewing->err) : 0;
}

/* What the run has written itself it always sees, beside those that its strategy counts. */
static size_t count_own(const struct message_list *list, struct uuid run)
{
    size_t own = 0;

    for (size_t i = 0; !uuid_is_zero(run) && i < list->count; i++)
        own += uuid_equal(list->items[i].run_id, run);
    return own;
}

static int read_newest(struct viewing *viewing)
{
    struct context_view *view = &viewing->view;
    int64_t wanted = viewing->ask.newest;
    struct history_limits limits = {
        .count = wanted > 0 && wanted < HISTORY_MESSAGES ? (int)wanted : HISTORY_MESSAGES,
        .bytes = HISTORY_BYTES,
        .part = viewing->ask.part,
        .run = view->run,
        .after = view->summary.position,
    };
    size_t own;
    int r = read_part(viewing, &limits, &view->list);

    while (r == 0 && view->list.has_more && wanted > 0 && limits.count < HISTORY_MESSAGES &&
           (own = count_own(&view->list, view->run)) > (size_t)(limits.count - wanted)) {
        limits.count = wanted + (int64_t)own < HISTORY_MESSAGES ? (int)(wanted + (int64_t)own)
                                                                : HISTORY_MESSAGES;
        r = read_part(viewing, &limits, &view->list);
    }
    return r;
}

static int read_first(struct viewing *viewing, int64_t before)
{
    struct context_view *view = &viewing->view;
    struct history_limits limits = {
        .count = (int)viewing->ask.first,
        .bytes = HISTORY_BYTES,
        .part = HISTORY_FIRST,
        .before = before,
    };
    struct message_list first;
    struct message *joined;
    int r = read_part(viewing, &limits, &first);

    if (r < 0 || first.count == 0)
        return r;
    joined = arena_calloc(viewing->request->store.arena, first.count + view->list.count,
                          sizeof(*joined));
    if (!joined)
        return out_of_room(viewing);
    memcpy(joined, first.items, first.count * sizeof(*joined));
    if (view->list.count > 0)
        memcpy(joined + first.count, view->list.items, view->list.count * sizeof(*joined));
    view->list.items = joined;
    view->list.count += first.count;
    view->first = first.count;
    return 0;
}

static int read_summary(struct viewing *viewing)
{
    struct request *request = viewing->request;
    struct context_view *view = &viewing->view;
    int r = summaries_get(&request->store, view->thread, &view->summary, &viewing->err);

    if (r == 0 && view->summary.text.ptr)
        r = messages_gap(&request->store, view->thread, 0, view->summary.position + 1,
                         &view->summarized, &viewing->err);
    return r < 0 ? request_failed(request, &viewing->err) : 0;
}

static int read_messages(struct viewing *viewing)
{
    struct request *request = viewing->request;
    struct context_view *view = &viewing->view;
    int64_t before = INT64_MAX;
    int64_t after;
    int r = viewing->ask.part == HISTORY_AFTER ? read_summary(viewing) : 0;

    if (r == 0)
        r = read_newest(viewing);
    after = view->summary.position;
    if (r == 0 && view->list.count > 0)
        before = view->list.items[0].position;
    if (r == 0 && viewing->ask.near > 0)
        return context_near_read(request, view, view->list.has_more, &viewing->err);
    if (r == 0 && view->list.has_more && viewing->ask.first > 0)
        r = read_first(viewing, before);
    if (r < 0)
        return r;
    if (view->first > 0)
        after = view->list.items[view->first - 1].position;
    r = messages_gap(&request->store, view->thread, after, before, &view->gap, &viewing->err);
    return r < 0 ? request_failed(request, &viewing->err) : 0;
}

/* ---- the endpoint ---- */

static void write_view(void *arg)
{
    struct viewing *viewing = arg;

    viewing->result = context_view_write(&viewing->view, viewing->request->store.arena,
                                         &viewing->request->reply, &viewing->err);
}

static int thread_context(struct request *request)
{
    struct viewing viewing = {.request = request};
    struct text run = http_query_get(request->exchange, "run_id", 0);
    struct thread thread;
    int r = request_id(request, 0, ID_THREAD, "thread", &viewing.view.thread);

    if (r < 0)
        return r;
    r = threads_get(&request->store, viewing.view.thread, &thread, &viewing.err);
    if (r == THREAD_MISSING)
        return request_missing(request, "thread", request->exchange->params[0]);
    if (r < 0)
        return request_failed(request, &viewing.err);
    r = run.ptr ? look_at_run(&viewing, run) : look_at_agent(&viewing, &thread);
    if (r == 0)
        r = find_model(&viewing);
    if (r < 0)
        return r;
    context_ask(&viewing.view.settings, &viewing.ask);
    r = read_messages(&viewing);
    if (r < 0)
        return r;
    offload_large((size_t)viewing.bytes, write_view, &viewing);
    return viewing.result < 0 ? request_failed(request, &viewing.err) : 0;
}

static const char *const query[] = {"assistant_id", "run_id", NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads/{thread_id}/context",
     .handle = thread_context,
     .query = query},
};
/* clang-format on */

const struct endpoint_table thread_context_endpoints = ENDPOINT_TABLE(table);
