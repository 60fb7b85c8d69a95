/* A summary of a thread that is made because somebody asks for it: by a memory run, which is the
 * reply. OpenAI has no such endpoint. */

#include "providers/context/summary.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/request.h"
#include "shared/agent/checks.h"
#include "shared/agent/spec.h"
#include "shared/base/error.h"
#include "shared/json/json_write.h"
#include "shared/store/agents/agents.h"
#include "shared/store/runs/memory_runs.h"
#include "shared/store/threads/threads.h"

struct compacting {
    struct request *request;
    struct thread thread;
    struct uuid agent_id;
    struct agent agent;       /* version 0: there is none */
    struct json_object *spec; /* of the agent, with what the thread says; to be freed */
    struct text model;
    int64_t keep_tokens;
};

static void compacting_deinit(struct compacting *compacting)
{
    json_free(compacting->spec);
}

static int read_thread(struct compacting *compacting)
{
    struct request *request = compacting->request;
    struct uuid id;
    struct error err;
    int r = request_id(request, 0, ID_THREAD, "thread", &id);

    if (r < 0)
        return r;
    r = threads_get(&request->store, id, &compacting->thread, &err);
    if (r == THREAD_MISSING)
        return request_missing(request, "thread", request->exchange->params[0]);
    return r < 0 ? request_failed(request, &err) : 0;
}

/* The one that is named, else the thread's own, if that is still there. */
static int read_agent(struct compacting *compacting)
{
    struct request *request = compacting->request;
    struct text said = json_get_text(request->body, "assistant_id");
    struct error err;
    size_t bytes;
    int r = request_agent(request, "assistant_id", said, AGENT_THERE, &compacting->agent_id);

    if (r < 0)
        return r;
    if (uuid_is_zero(compacting->agent_id))
        compacting->agent_id = compacting->thread.agent;
    if (uuid_is_zero(compacting->agent_id))
        return 0;
    r = agents_look(&request->store, compacting->agent_id, &compacting->agent, &bytes, &err);
    if (r == AGENT_LARGE) {
        r = request_enlarge(request, 4 * bytes);
        if (r < 0)
            return r;
        r = agents_get(&request->store, compacting->agent_id, &compacting->agent, &err);
    }
    if (r < 0)
        return request_failed(request, &err);
    if (r == AGENT_MISSING)
        compacting->agent_id = (struct uuid){{0}};
    return 0;
}

static int read_spec(struct compacting *compacting, struct error *err)
{
    struct json_object *memory = NULL;
    int r = 0;

    if (compacting->agent.version > 0)
        r = json_decode(compacting->agent.spec, JSON_DEPTH_DEFAULT * 2, &compacting->spec, err);
    if (!compacting->spec)
        compacting->spec = json_object_new_object();
    if (r == 0 && compacting->thread.memory.ptr)
        r = json_decode(compacting->thread.memory, JSON_DEPTH_DEFAULT, &memory, err);
    if (memory)
        json_object_object_add(compacting->spec, "thread_memory", memory);
    return r;
}

/* What summaries of this thread are made by otherwise, whichever strategy it has now. */
static int choose(struct compacting *compacting)
{
    struct request *request = compacting->request;
    struct text said = json_get_text(request->body, "model");
    struct json_object *spec;
    struct context_settings settings;
    struct error err;

    if (read_spec(compacting, &err) < 0)
        return request_failed(request, &err);
    spec = compacting->spec;
    context_settings_read_summaries(spec, &settings);
    compacting->keep_tokens =
        json_get_int(request->body, "keep_tokens", SUMMARY_KEEP_OF(settings.trigger_tokens));
    compacting->model = said.len > 0                     ? said
                        : settings.summary_model.len > 0 ? settings.summary_model
                                                         : json_get_text(spec, "model");
    if (compacting->model.len == 0)
        return failure_param(&request->failure, 400, "model", "missing_required_parameter",
                             "Missing required parameter: 'model'. The thread belongs to no "
                             "assistant: name a model, or an 'assistant_id'.");
    return request_check_model(request, "model", compacting->model);
}

static struct text write_spec(const struct compacting *compacting)
{
    CLEANUP(buf_deinit) struct buf spec;
    struct json_write w;

    buf_init(&spec, 0);
    json_write_init(&w, &spec);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "job", "summary");
    json_write_text(&w, "model", compacting->model);
    json_write_int(&w, "keep_tokens", compacting->keep_tokens);
    json_write_close(&w);
    return (struct text){arena_copy(compacting->request->store.arena, buf_text(&spec)), spec.len};
}

static int out_of_room(struct request *request)
{
    struct error err;

    (void)error_set(&err, E_LIMIT, "no room for the run");
    return request_failed(request, &err);
}

static int make(struct compacting *compacting)
{
    struct request *request = compacting->request;
    const struct thread *thread = &compacting->thread;
    const struct memory_run_of of = {
        .thread = thread->id,
        .agent = compacting->agent_id,
        .agent_version = compacting->agent.version,
        .user = thread->user,
        .shard = request->object.bytes[15] % request->api->shards,
    };
    struct memory_run draft = {.id = request->object, .spec = write_spec(compacting)};
    char id[ID_TEXT_SIZE];
    const char *about;
    bool made = false;
    struct run run;
    struct error err;
    int r;

    id_format(ID_THREAD, thread->id, id);
    about = arena_printf(request->store.arena, "summary:%s", id);
    draft.about = text_of(about);
    if (!about || !draft.spec.ptr)
        return out_of_room(request);
    r = request->replaying ? runs_get(&request->store, thread->id, draft.id, &run, &err)
                           : RUN_MISSING;
    request->found = r == 0;
    if (r == RUN_MISSING)
        r = memory_runs_make(&request->store, &of, &draft, &run, &made, &err);
    if (r == -E_CONFLICT || r == -E_AMBIGUOUS) /* an earlier attempt of this request has made it */
        r = runs_get(&request->store, thread->id, draft.id, &run, &err);
    if (r == THREAD_MISSING)
        return request_missing(request, "thread", request->exchange->params[0]);
    if (r == RUN_MISSING)
        r = error_set(&err, E_AMBIGUOUS, "not known whether the run was made");
    if (r < 0)
        return request_failed(request, &err);
    if (made)
        run_events_ready(&request->api->events, request->store.tenant, &run);
    render_run(&run, &request->reply);
    return 0;
}

static int thread_compact(struct request *request)
{
    CLEANUP(compacting_deinit) struct compacting compacting = {.request = request};
    int r = read_thread(&compacting);

    if (r == 0)
        r = read_agent(&compacting);
    if (r == 0)
        r = choose(&compacting);
    return r == 0 ? make(&compacting) : r;
}

/* clang-format off */
static const struct field fields[] = {
    {"keep_tokens", FIELD_INTEGER, FIELD_NULLABLE, 0, CONTEXT_TOKENS_MAX, NULL, NULL},
    {"model", FIELD_STRING, FIELD_NULLABLE, 1, CONTEXT_MODEL_MAX, NULL, check_model},
    {"assistant_id", FIELD_STRING, FIELD_NULLABLE, 0, 0, NULL, NULL},
};

static const struct fields body = {fields, ARRAY_LENGTH(fields), sizeof(fields[0]), NULL, 0};

static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/compact",
     .handle = thread_compact,
     .takes = TAKES_JSON, .body = &body, .flags = ENDPOINT_CREATES},
};
/* clang-format on */

const struct endpoint_table thread_compact_endpoints = ENDPOINT_TABLE(table);
