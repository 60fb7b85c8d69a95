/* Making runs. On a thread that has an active run, multitask_strategy says what happens
 * (docs/runs.md).
 *
 * The agent's spec usually comes from the cache. The store refuses one that is not the latest (as
 * AGENT_MISSING, which a deleted agent gives too); then the spec is read again: a few times, since
 * somebody may be updating the agent all the time.
 */

#include "shared/submit/submit.h"

#include <stdlib.h>

#include "shared/agent/checks.h"
#include "shared/agent/prompt.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/fiber/offload.h"
#include "shared/store/submissions/run_maker.h"
#include "shared/submit/agent_cache.h"
#include "shared/submit/bodies.h"
#include "shared/submit/fill.h"
#include "shared/submit/new_messages.h"

struct submitter {
    struct submit_options options;
    struct agent_cache *agents;
    struct run_maker *maker; /* NULL: runs are made one by one */
};

#define AGENT_TRIES       8
#define LARGE_AGENT_TRIES 2 /* each reads it anew, and room was taken for one */

struct making {
    struct submitter *submitter;
    const struct store *store;
    const struct submission *submission;
    struct failure *failure;
    bool has_room; /* for what is large */
    struct thread_draft thread_draft;
    struct run_draft draft;
    struct text slug;   /* of the agent, where it is named by it; TEXT_NONE: by its id */
    bool nobody_speaks; /* a new thread without a message: the agent's task_instructions are one */
    struct uuid active; /* the run that is in the way */
    struct run_stopped stopped; /* the run that had to give way */
};

struct submitter *submitter_new(const struct submit_options *options)
{
    struct submitter *submitter = xcalloc(1, sizeof(*submitter));

    submitter->options = *options;
    if (submitter->options.shards < 1)
        submitter->options.shards = 1;
    if (submitter->options.run_ttl_ms < 1)
        submitter->options.run_ttl_ms = INT64_C(24) * 3600 * 1000;
    submitter->agents = agent_cache_new();
    if (options->pg)
        submitter->maker = run_maker_new(options->pg);
    return submitter;
}

void submitter_free(struct submitter *submitter)
{
    if (!submitter)
        return;
    run_maker_free(submitter->maker);
    agent_cache_free(submitter->agents);
    free(submitter);
}

void submitter_agent_changed(struct submitter *submitter, struct uuid tenant, struct uuid agent)
{
    agent_cache_forget(submitter->agents, tenant, agent);
}

int submission_check(struct json_object *request, bool new_thread, struct failure *failure)
{
    int r = fields_expect(FIELD_OBJECT, request, NULL, failure);

    if (r < 0)
        return r;
    return fields_check(new_thread ? body_create_thread_and_run : body_create_run, request, NULL,
                        failure);
}

static struct text assistant_of(const struct submission *submission)
{
    return submission->assistant.ptr ? submission->assistant
                                     : json_get_text(submission->request, "assistant_id");
}

static int assistant_missing(const struct making *making)
{
    return failure_missing(making->failure, "assistant", assistant_of(making->submission));
}

static int assistant_busy(const struct making *making)
{
    (void)failure_param(making->failure, 503, NULL, "service_unavailable",
                        "The assistant is being updated at this moment. Please try again.");
    making->failure->retry = RETRY_YES;
    return -E_INVALID;
}

static int assistant_inactive(const struct making *making)
{
    return failure_param(making->failure, 400, "assistant_id", "assistant_inactive",
                         "The assistant '%.*s' is not active: it has 'is_active': false.",
                         TEXT_ARGS(assistant_of(making->submission)));
}

static int thread_missing(const struct making *making)
{
    char thread[ID_TEXT_SIZE];

    id_format(ID_THREAD, making->draft.thread, thread);
    return failure_missing(making->failure, "thread", text_of(thread));
}

static int run_gone(const struct making *making)
{
    char run[ID_TEXT_SIZE];

    id_format(ID_RUN, making->draft.id, run);
    return failure_missing(making->failure, "run", text_of(run));
}

static int thread_busy(const struct making *making)
{
    char run[ID_TEXT_SIZE];
    char thread[ID_TEXT_SIZE];

    id_format(ID_RUN, making->active, run);
    id_format(ID_THREAD, making->draft.thread, thread);
    return failure_param(making->failure, 400, NULL, NULL,
                         "Thread %s already has an active run %s.", thread, run);
}

static int thread_full(const struct making *making)
{
    char thread[ID_TEXT_SIZE];

    id_format(ID_THREAD, making->draft.thread, thread);
    return failure_param(making->failure, 400, NULL, "thread_full",
                         "Too much waits behind the active run of thread %s: at most %d runs, and "
                         "%d messages that an interrupt joins.",
                         thread, HELD_RUNS_MAX, MESSAGE_DRAFTS_MAX);
}

/* Of more than SMALL_BYTES_MAX, once. */
static int make_room(struct making *making, size_t bytes)
{
    const struct submission *submission = making->submission;
    int r = 0;

    if (bytes <= SMALL_BYTES_MAX || making->has_room)
        return 0;
    if (submission->make_room)
        r = submission->make_room(submission->room_arg, SUBMISSION_COPIES * bytes);
    making->has_room = r == 0;
    return r;
}

/* The run that has the draft's id. RUN_MISSING; else as submit. */
static int find_run(struct making *making, struct run *out)
{
    struct uuid thread = making->submission->thread;
    struct error err;
    size_t bytes;
    int r = runs_size(making->store, thread, making->draft.id, &bytes, &err);

    if (r == 0) {
        r = make_room(making, bytes);
        if (r < 0)
            return r;
        r = runs_get(making->store, thread, making->draft.id, out, &err);
    }
    return r < 0 ? failure_from_error(making->failure, &err) : r;
}

struct freezing {
    struct making *making;
    const struct agent_template *template;
    struct fill_facts facts;
    struct filled_texts texts;
    int result;
};

/* The spec, into the arena. */
static void write_spec(void *arg)
{
    CLEANUP(buf_deinit) struct buf spec;
    CLEANUP(buf_deinit) struct buf preamble;
    struct run_prompt prompt;
    struct freezing *freezing = arg;
    struct making *making = freezing->making;
    struct json_object *request = making->submission->request;
    const struct agent_spec *agent = &freezing->template->spec;
    struct error err;

    buf_init(&spec, 0);
    buf_init(&preamble, 0);
    freezing->result = fill_texts(agent, request, &freezing->facts, making->nobody_speaks,
                                  making->store->arena, &freezing->texts, making->failure);
    if (freezing->result < 0)
        return;
    agent_preamble_write(agent, &preamble);
    prompt = (struct run_prompt){buf_text(&preamble), freezing->texts.instructions};
    freezing->result = run_spec_write(agent, request, &prompt, &spec, making->failure);
    if (freezing->result < 0)
        return;
    if (making->submission->trace)
        run_spec_add_trace(&spec, making->submission->trace);
    making->draft.spec = (struct text){arena_copy(making->store->arena, buf_text(&spec)), spec.len};
    if (!spec.failed && making->draft.spec.ptr)
        return;
    (void)error_set(&err, E_LIMIT, "the run is too large");
    freezing->result = failure_from_error(making->failure, &err);
}

/* What the agent is told where nobody speaks, as the first message of the user. */
static int add_task(struct making *making, struct text task)
{
    CLEANUP(json_freep) struct json_object *array = NULL;
    struct thread_draft *thread = &making->thread_draft;
    struct new_messages messages;
    struct error err;
    int r;

    thread->messages = NULL;
    thread->message_count = 0;
    if (!task.ptr)
        return 0;
    array = new_message_said(task);
    r = new_messages_read(array, making->store->arena, &messages, &err);
    if (r < 0)
        return failure_from_error(making->failure, &err);
    thread->messages = messages.items;
    thread->message_count = messages.count;
    return 0;
}

/* An agent and a request that are small may be large together. */
static int freeze(struct making *making, const struct agent_template *template)
{
    struct freezing freezing = {.making = making, .template = template};
    int r = 0;

    if (text_is(template->spec.members[SPEC_TEMPLATE], "true"))
        r = fill_facts(making->submission->request, clock_wall_ms(), &freezing.facts,
                       making->failure);
    if (r < 0)
        return r;
    offload_large(template->bytes, write_spec, &freezing);
    if (freezing.result < 0)
        return freezing.result;
    r = making->nobody_speaks ? add_task(making, freezing.texts.task) : 0;
    if (r < 0)
        return r;
    making->draft.agent_version = template->version;
    return make_room(making, making->draft.spec.len);
}

/* As one of many, unless the thread's active run is to give way. Else RUN_NOT_MADE. */
static int make_with_others(const struct making *making, bool new_thread, struct run *out,
                            struct error *err)
{
    struct run_making one = {
        .tenant = making->store->tenant,
        .draft = &making->draft,
        .new_thread = new_thread ? &making->thread_draft : NULL,
        .trace = making->submission->first_try,
    };

    if (!making->submitter->maker)
        return RUN_NOT_MADE;
    return run_maker_make(making->submitter->maker, &one, out, err);
}

/* MULTITASK_COUNT: the run is refused while another is active. */
static enum multitask strategy_of(struct text word)
{
    if (text_is(word, "enqueue"))
        return MULTITASK_ENQUEUE;
    if (text_is(word, "interrupt"))
        return MULTITASK_INTERRUPT;
    return text_is(word, "rollback") ? MULTITASK_ROLLBACK : MULTITASK_COUNT;
}

static int write_run(struct making *making, struct run *out, struct error *err)
{
    enum multitask strategy =
        strategy_of(json_get_text(making->submission->request, "multitask_strategy"));
    bool new_thread = uuid_is_zero(making->submission->thread);
    const struct store *store = making->store;
    int r;

    if (!new_thread && strategy < MULTITASK_COUNT)
        return runs_enqueue(store, &making->draft, strategy, out, &making->stopped, err);
    r = make_with_others(making, new_thread, out, err);
    if (r != RUN_NOT_MADE)
        return r;
    if (new_thread)
        return runs_create_with_thread(store, &making->thread_draft, &making->draft, out, err);
    return runs_create(store, &making->draft, out, &making->active, err);
}

static void forget_agent(struct making *making)
{
    struct agent_cache *agents = making->submitter->agents;

    agent_cache_forget(agents, making->store->tenant, making->draft.agent);
    if (making->slug.ptr)
        agent_cache_forget_slug(agents, making->store->tenant, making->slug);
}

/* As agent_cache_find, whatever the size. -E_INVALID: with the failure. */
static int read_agent(struct making *making, struct agent_template *out, struct error *err)
{
    struct agent_cache *agents = making->submitter->agents;
    int r = 0;

    if (making->slug.ptr)
        r = agent_cache_resolve(agents, making->store, making->slug, &making->draft.agent, err);
    if (r == 0)
        r = agent_cache_find(agents, making->store, making->draft.agent, out, err);
    if (r != AGENT_LARGE)
        return r < 0 ? failure_from_error(making->failure, err) : r;
    r = make_room(making, out->bytes);
    if (r < 0)
        return r;
    r = agent_template_read(making->store, making->draft.agent, out, err);
    return r < 0 ? failure_from_error(making->failure, err) : r;
}

/* Whether it is the agent that the request names. A slug may have another owner since it was
 * resolved. Slugs are letters, digits and hyphens, so their JSON is theirs in quotes. */
static bool is_named(const struct making *making, const struct agent_template *template)
{
    struct text json = template->spec.members[SPEC_SLUG];

    if (!making->slug.ptr)
        return true;
    return json.len == making->slug.len + 2 &&
           memcmp(json.ptr + 1, making->slug.ptr, making->slug.len) == 0;
}

/* Returns 0, or -E_INVALID with the failure. */
static int find_agent(struct making *making, struct agent_template *out)
{
    struct error err;
    int r = read_agent(making, out, &err);

    if (making->slug.ptr && (r == AGENT_MISSING || (r == 0 && !is_named(making, out)))) {
        forget_agent(making);
        r = read_agent(making, out, &err);
    }
    return r == AGENT_MISSING ? assistant_missing(making) : r;
}

/* One attempt. Returns 0; AGENT_MISSING: this was not its latest version, or it is gone; -E_INVALID
 * with the failure. */
static int attempt(struct making *making, struct submitted *out)
{
    struct agent_template template;
    struct error err;
    int r = find_agent(making, &template);

    if (r == 0 && text_is(template.spec.members[SPEC_IS_ACTIVE], "false"))
        r = assistant_inactive(making);
    if (r == 0)
        r = freeze(making, &template);
    if (r < 0)
        return r;
    r = write_run(making, &out->run, &err);
    out->found =
        r == -E_CONFLICT || (r == THREAD_BUSY && uuid_equal(making->active, making->draft.id));
    if (r == -E_AMBIGUOUS || out->found) {
        r = find_run(making, &out->run);
        if (r != RUN_MISSING)
            return r;
        r = error_set(&err, E_AMBIGUOUS, "not known whether the run was created");
    }
    if (r == THREAD_MISSING)
        return thread_missing(making);
    if (r == THREAD_BUSY)
        return thread_busy(making);
    if (r == THREAD_FULL)
        return thread_full(making);
    return r < 0 ? failure_from_error(making->failure, &err) : r;
}

static void announce(const struct making *making, const struct run *run)
{
    const struct run_events *events = &making->submitter->options.events;

    if (!uuid_is_zero(making->stopped.id) && events->run_cancelling)
        events->run_cancelling(making->stopped.owner, making->stopped.id, events->arg);
    if (!run->held && making->draft.delay_ms == 0 && events->run_ready)
        events->run_ready(making->draft.id, making->store->tenant, making->draft.shard,
                          (int)making->draft.priority, events->arg);
}

/* Was the run made by an earlier attempt? */
static int find_made(struct making *making, struct submitted *out)
{
    int r;

    if (!making->submission->replaying && !making->submission->made)
        return RUN_MISSING;
    r = find_run(making, &out->run);
    out->found = r == 0;
    return r == RUN_MISSING && making->submission->made ? run_gone(making) : r;
}

static int make(struct making *making, struct submitted *out)
{
    int r = find_made(making, out);

    if (r != RUN_MISSING)
        return r;
    for (int tries = 0; tries < (making->has_room ? LARGE_AGENT_TRIES : AGENT_TRIES); tries++) {
        r = attempt(making, out);
        if (r != AGENT_MISSING)
            break;
        forget_agent(making);
    }
    if (r == AGENT_MISSING)
        return assistant_busy(making);
    if (r == 0)
        announce(making, &out->run);
    return r;
}

static enum run_priority priority_of(struct text word)
{
    if (text_is(word, "high"))
        return RUN_PRIORITY_HIGH;
    return text_is(word, "low") ? RUN_PRIORITY_LOW : RUN_PRIORITY_NORMAL;
}

static struct text member_text(struct json_object *object, const char *name)
{
    struct json_object *value = json_get(object, name);

    return value ? json_text(value) : TEXT_NONE;
}

/* The run, but for its spec and its messages. */
static int begin(struct making *making)
{
    const struct submit_options *options = &making->submitter->options;
    struct json_object *request = making->submission->request;
    struct text assistant = assistant_of(making->submission);
    struct run_draft *draft = &making->draft;

    draft->id = making->submission->id;
    draft->thread = making->submission->thread;
    draft->priority = priority_of(json_get_text(request, "priority"));
    draft->shard = draft->id.bytes[15] % options->shards;
    draft->delay_ms = making->submission->delay_ms;
    draft->expires_in_ms = options->run_ttl_ms;
    draft->metadata = member_text(request, "metadata");
    if (!id_parse(ID_ASSISTANT, assistant, &draft->agent)) {
        if (!slug_fits(assistant))
            return assistant_missing(making);
        making->slug = assistant;
    }
    if (!options->check_models)
        return 0;
    return options->check_models(options->arg, request, making->failure);
}

/* Either messages or an input, which is one of the user. */
static int read_messages(const struct making *making, const char *name, struct json_object *said,
                         struct new_messages *out)
{
    struct text input = json_get_text(making->submission->request, "input");
    CLEANUP(json_freep) struct json_object *of_input = NULL;
    struct error err;
    int r;

    if (input.ptr && said)
        return failure_param(making->failure, 400, "input", "invalid_value",
                             "Invalid 'input': it stands for a message of the user, and the "
                             "request has '%s', too. Say one of them.",
                             name);
    if (input.ptr)
        said = of_input = new_message_said(input);
    r = new_messages_read(said, making->store->arena, out, &err);
    return r < 0 ? failure_from_error(making->failure, &err) : 0;
}

/* The messages, and the thread where it is a new one. */
static int add_messages(struct making *making)
{
    struct json_object *request = making->submission->request;
    bool new_thread = uuid_is_zero(making->submission->thread);
    struct json_object *thread = json_get(request, "thread");
    struct new_messages messages;
    int r = new_thread
                ? read_messages(making, "thread.messages", json_get(thread, "messages"), &messages)
                : read_messages(making, "additional_messages",
                                json_get(request, "additional_messages"), &messages);

    if (r < 0)
        return r;
    making->draft.messages = messages.items;
    making->draft.message_count = messages.count;
    if (!new_thread)
        return 0;
    making->nobody_speaks = messages.count == 0;
    making->thread_draft = (struct thread_draft){
        .id = uuid_new(),
        .metadata = member_text(thread, "metadata"),
        .tool_resources = member_text(thread, "tool_resources"),
        .title = json_get_text(thread, "title"),
        .messages = messages.items,
        .message_count = messages.count,
    };
    if (!making->thread_draft.tool_resources.ptr)
        making->thread_draft.tool_resources = member_text(request, "tool_resources");
    return 0;
}

int submit(struct submitter *submitter, const struct store *store,
           const struct submission *submission, struct submitted *out, struct failure *failure)
{
    struct making making = {
        .submitter = submitter,
        .store = store,
        .submission = submission,
        .failure = failure,
    };
    struct submitted made = {.found = false};
    int r = begin(&making);

    if (r == 0)
        r = add_messages(&making);
    if (r == 0)
        r = make(&making, &made);
    if (r == 0)
        *out = made;
    return r;
}
