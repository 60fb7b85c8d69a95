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
#include "shared/base/memory.h"
#include "shared/store/agents/agents.h"
#include "shared/submit/bodies.h"
#include "shared/submit/making.h"
#include "shared/submit/refusals.h"

#define AGENT_TRIES       8
#define LARGE_AGENT_TRIES 2 /* each reads it anew, and room was taken for one */

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
        submitter->maker = run_maker_new(options->pg, options->limits);
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

int submitter_find_agent(struct submitter *submitter, const struct store *store,
                         struct text id_or_slug, struct uuid *out, struct error *err)
{
    struct agent_template template;
    struct uuid agent;
    int r = 0;

    if (!id_parse(ID_ASSISTANT, id_or_slug, &agent)) {
        if (!slug_fits(id_or_slug))
            return AGENT_MISSING;
        return agents_find(store, id_or_slug, out, err);
    }
    r = agent_cache_find(submitter->agents, store, agent, &template, err);
    if (r == 0 || r == AGENT_LARGE)
        *out = agent;
    return r == AGENT_LARGE ? 0 : r;
}

int submission_check(struct json_object *request, bool new_thread, struct failure *failure)
{
    int r = fields_expect(FIELD_OBJECT, request, NULL, failure);

    if (r < 0)
        return r;
    return fields_check(new_thread ? body_create_thread_and_run : body_create_run, request, NULL,
                        failure);
}

struct text making_assistant(const struct making *making)
{
    return making->submission->assistant.ptr
               ? making->submission->assistant
               : json_get_text(making->submission->request, "assistant_id");
}

int making_assistant_missing(const struct making *making)
{
    return failure_missing(making->failure, "assistant", making_assistant(making));
}

int making_thread_missing(const struct making *making)
{
    char thread[ID_TEXT_SIZE];

    id_format(ID_THREAD, making->draft.thread, thread);
    return failure_missing(making->failure, "thread", text_of(thread));
}

int making_make_room(struct making *making, size_t bytes)
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

static int busy(const struct making *making, const char *why)
{
    (void)failure_param(making->failure, 503, NULL, "service_unavailable", "%s Please try again.",
                        why);
    making->failure->retry = RETRY_YES;
    return -E_INVALID;
}

static int assistant_inactive(const struct making *making)
{
    return failure_param(making->failure, 400, "assistant_id", "assistant_inactive",
                         "The assistant '%.*s' is not active: it has 'is_active': false.",
                         TEXT_ARGS(making_assistant(making)));
}

static int run_gone(const struct making *making)
{
    char run[ID_TEXT_SIZE];

    id_format(ID_RUN, making->draft.id, run);
    return failure_missing(making->failure, "run", text_of(run));
}

/* OpenAI's sentence comes first, as it is: clients look for it. */
static int thread_busy(const struct making *making)
{
    char run[ID_TEXT_SIZE];
    char thread[ID_TEXT_SIZE];

    id_format(ID_RUN, making->active, run);
    id_format(ID_THREAD, making->draft.thread, thread);
    return failure_param(making->failure, 400, NULL, NULL,
                         "Thread %s already has an active run %s. %s", thread, run,
                         making->submission->as_input
                             ? "With 'on_busy' the message waits behind it, or steers it."
                             : "With 'multitask_strategy' a run waits behind it, or takes its "
                               "place.");
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

/* The new thread is to be active, and another one is. */
static int thread_taken(const struct making *making)
{
    struct uuid other;
    struct error err;
    int r = threads_find_active(making->store, making->thread_draft.agent,
                                making->thread_draft.user, &other, &err);

    if (r == 0)
        return refuse_taken(other, making->failure);
    if (r > 0)
        (void)error_set(&err, E_UNAVAILABLE, "threads change too fast; try again");
    return failure_from_error(making->failure, &err);
}

static const struct uuid none = {{0}};

/* The run that has the draft's id. RUN_MISSING; else as submit. */
static int find_run(struct making *making, struct run *out)
{
    struct uuid thread = making->submission->copy ? none : making->submission->thread;
    struct error err;
    size_t bytes;
    int r = runs_size(making->store, thread, making->draft.id, &bytes, &err);

    if (r == 0) {
        r = making_make_room(making, bytes);
        if (r < 0)
            return r;
        r = runs_get(making->store, thread, making->draft.id, out, &err);
    }
    return r < 0 ? failure_from_error(making->failure, &err) : r;
}

/* As one of many, unless the thread's active run is to give way, or what rides along is not a first
 * try. Else RUN_NOT_MADE. */
static int make_with_others(const struct making *making, bool new_thread, struct run *out,
                            struct error *err)
{
    struct run_making one = {
        .tenant = making->store->tenant,
        .draft = &making->draft,
        .new_thread = new_thread ? &making->thread_draft : NULL,
        .arena = making->store->arena,
        .trace = making->submission->first_try,
    };

    bool rides = making->store->rider && !making->submission->first_try;

    if (!making->submitter->maker || rides)
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

/* Behind a certain message of the thread, or of a copy. The thread may be busy with this very
 * run. */
static int write_behind(struct making *making, struct run *out, struct error *err)
{
    const struct submission *submission = making->submission;
    const struct run_copy copy = {
        .id = uuid_new(),
        .source = making->thread,
        .position = submission->behind,
        .hidden = submission->hidden,
        .erases = submission->erases,
    };
    int r = THREAD_MOVED;

    ASSERT(!uuid_is_zero(making->thread));
    if (submission->copy != SUBMIT_COPY)
        r = runs_create(making->store, &making->draft, out, &making->active, err);
    if ((r != THREAD_MOVED && r != THREAD_BUSY) || submission->copy == SUBMIT_NO_COPY ||
        uuid_equal(making->active, making->draft.id))
        return r;
    return runs_create_on_copy(making->store, &copy, &making->draft, out, err);
}

static int write_run(struct making *making, struct run *out, struct error *err)
{
    enum multitask strategy =
        strategy_of(json_get_text(making->submission->request, "multitask_strategy"));
    bool new_thread = uuid_is_zero(making->thread);
    const struct store *store = making->store;
    int r;

    if (making->submission->is_behind)
        return write_behind(making, out, err);
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
    r = making_make_room(making, out->bytes);
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
    int r;

    if (making->submission->agentless) {
        *out = (struct agent_template){.version = 0};
        return 0;
    }
    r = read_agent(making, out, &err);
    if (making->slug.ptr && (r == AGENT_MISSING || (r == 0 && !is_named(making, out)))) {
        forget_agent(making);
        r = read_agent(making, out, &err);
    }
    return r == AGENT_MISSING ? making_assistant_missing(making) : r;
}

/* The active thread of the agent and the user, where that one is meant; zero: there is none. */
static int find_active(struct making *making)
{
    struct error err;
    int r;

    if (!making->submission->active_thread)
        return 0;
    making->thread = (struct uuid){{0}};
    r = threads_find_active(making->store, making->draft.agent, making->draft.user, &making->thread,
                            &err);
    making->draft.thread = making->thread;
    return r < 0 ? failure_from_error(making->failure, &err) : 0;
}

/* All but the writing. Returns 0, or -E_INVALID with the failure. */
static int prepare(struct making *making)
{
    struct agent_template template;
    int r = find_agent(making, &template);

    if (r == 0)
        r = find_active(making);
    if (r == 0 && text_is(template.spec.members[SPEC_IS_ACTIVE], "false"))
        r = assistant_inactive(making);
    if (r == 0)
        r = making_freeze(making, &template);
    if (r == 0 && !making->agent_said && making->thread_draft.user.ptr)
        making->thread_draft.agent = making->draft.agent;
    return r;
}

/* One attempt. Returns 0; AGENT_MISSING: this was not its latest version, or it is gone;
 * THREAD_TAKEN: there is another active thread by now, or none; -E_INVALID with the failure. */
static int attempt(struct making *making, struct submitted *out)
{
    struct error err;
    int r = prepare(making);

    if (r < 0)
        return r;
    r = write_run(making, &out->run, &err);
    out->found =
        r == -E_CONFLICT || (r == THREAD_BUSY && uuid_equal(making->active, making->draft.id));
    if (r == -E_AMBIGUOUS || out->found) {
        int tried = r;

        r = find_run(making, &out->run);
        if (r != RUN_MISSING)
            return r;
        out->found = false;
        if (tried == -E_CONFLICT && making->thread_draft.active)
            return making->submission->active_thread ? THREAD_TAKEN : thread_taken(making);
        r = error_set(&err, E_AMBIGUOUS, "not known whether the run was created");
    }
    if (r == THREAD_MISSING)
        return making->submission->active_thread ? THREAD_TAKEN : making_thread_missing(making);
    if (r == THREAD_BUSY && !making->submission->is_behind)
        return thread_busy(making);
    if (r == THREAD_FULL)
        return thread_full(making);
    if (r == THREAD_TOO_LARGE)
        return refuse_too_large(making->store->limits, making->failure);
    if (r == USER_OVER_QUOTA)
        return refuse_over_quota(making->store->limits, making->failure);
    return r < 0 ? failure_from_error(making->failure, &err) : r;
}

static void announce(const struct making *making, const struct run *run)
{
    const struct run_events *events = &making->submitter->options.events;

    if (!uuid_is_zero(making->stopped.id))
        run_events_cancelling(events, making->stopped.owner, making->stopped.id);
    for (size_t i = 0; i < making->stopped.ended_count; i++)
        run_events_settled(events, making->stopped.ended[i]);
    if (!run->held && making->draft.delay_ms == 0)
        run_events_ready(events, making->store->tenant, run);
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
        if (r == AGENT_MISSING)
            forget_agent(making);
        else if (r != THREAD_TAKEN)
            break;
    }
    if (r == THREAD_MOVED || r == THREAD_BUSY)
        return r;
    if (r > 0)
        return busy(making, r == AGENT_MISSING ? "The assistant is being updated at this moment."
                                               : "The user's active thread is another one each "
                                                 "moment.");
    if (r == 0)
        announce(making, &out->run);
    return r;
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
    int r = making_draft(&making);

    if (r == 0)
        r = make(&making, &made);
    if (r == 0)
        *out = made;
    return r;
}

int submit_prepare(struct submitter *submitter, const struct store *store,
                   const struct submission *submission, struct submit_draft *out,
                   struct failure *failure)
{
    struct making making = {
        .submitter = submitter,
        .store = store,
        .submission = submission,
        .failure = failure,
    };
    struct run_making one = {.draft = &out->run, .new_thread = &out->thread};
    int r;

    ASSERT(uuid_is_zero(submission->thread) && !submission->active_thread);
    r = making_draft(&making);
    if (r == 0)
        r = prepare(&making);
    if (r < 0)
        return r;
    out->run = making.draft;
    out->thread = making.thread_draft;
    out->alone = !run_making_is_plain(&one);
    return 0;
}

int submit_try(struct submitter *submitter, const struct store *store,
               const struct submission *submission, struct failure *failure)
{
    struct making making = {
        .submitter = submitter,
        .store = store,
        .submission = submission,
        .failure = failure,
    };
    int r = making_draft(&making);

    return r == 0 ? prepare(&making) : r;
}
