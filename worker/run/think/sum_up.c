/* Sum up: a summary that should be there, and is not, is made before the run's first call. Most
 * are made ahead, by memory runs (worker/memory/summary_job.c); a thread that has come in one
 * piece, or whose latest messages are long, has none.
 *
 * It is tried once, by a run that has done nothing yet and never crashed. Whatever goes wrong, the
 * run goes on, with the oldest turns left out where there is no room for them. That it was tried is
 * stored first, so that neither a worker that dies, nor a summary that is of no use, lets the next
 * run try it again before the thread has grown. */

#include "providers/context/summary.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"
#include "worker/run/think/aside.h"
#include "worker/run/think/thinking.h"
#include "worker/state.h"

#define SUMMARY_MS 60000 /* that a run waits for it */

static struct store store_of(struct run_task *task)
{
    return (struct store){
        .pg = task->worker->pg, .tenant = task->claim.row.tenant_id, .arena = &task->arena};
}

static struct text model_of(const struct run_task *task)
{
    const struct run_setup *setup = &task->setup;

    return setup->memory.summary_model.len > 0 ? setup->memory.summary_model : setup->model;
}

static struct context context_of(const struct run_task *task)
{
    const struct conversation *conversation = &task->conversation;

    return (struct context){conversation->messages, conversation->count, conversation->first};
}

/* Whether some of the conversation would be left out of the first call. */
static bool is_too_long(struct run_task *task, struct thinking *thinking)
{
    const struct context_plan plan = {&task->setup.memory, task->conversation.first,
                                      &task->conversation.joined};
    struct chat_request request;
    struct error ignored;

    (void)provider_registry_follow(&thinking->registry, task->worker->registry);
    if (provider_registry_resolve(thinking->registry, task->setup.model, &thinking->target,
                                  &ignored) < 0)
        return false;
    thinking_fill(task, thinking, &request);
    context_fit(&thinking->target, &plan, &thinking->fit, &request);
    return thinking->fit.left_out > 0;
}

static bool is_wanted(struct run_task *task, int64_t *out_tokens)
{
    const struct run_lease *lease = &task->claim.row.lease;
    int64_t trigger = task->setup.memory.trigger_tokens;
    struct context context = context_of(task);
    struct thinking thinking = {.replied = false};
    bool wanted;

    if (task->setup.memory.strategy != CONTEXT_SUMMARIZE || lease->step > 0 ||
        task->claim.row.crashes > 0)
        return false;
    *out_tokens = summary_tokens_behind(&context, trigger);
    if (!summary_is_due(*out_tokens, trigger, task->summary.tried_tokens))
        return false;
    if (!task->summary.text.ptr)
        return true;
    wanted = is_too_long(task, &thinking);
    provider_registry_free(thinking.registry);
    return wanted;
}

static struct summary_model known_of(const struct run_task *task, struct text model)
{
    struct summary_model known = {.context_tokens = 0};
    struct provider_target target;
    struct error ignored;

    if (provider_registry_resolve(task->worker->registry, model, &target, &ignored) == 0)
        known = (struct summary_model){target.context_tokens, target.abilities.reasoning_effort};
    return known;
}

/* Nobody else makes one, and that it is tried is stored. Returns 0, SUMMARY_MOVED, or an error. */
SUSPENDS static int begin(struct run_task *task, int64_t tokens, struct error *err)
{
    struct store store = store_of(task);
    struct uuid thread = task->claim.row.thread_id;
    struct uuid run = task->claim.row.lease.run;
    struct summary_begun begun;
    int r = summaries_begin(&store, thread, run, &task->summary, &begun, err);

    if (r == 0)
        r = summaries_try(&store, thread, run, tokens, err);
    if (r == 0)
        task->summary.tried_tokens = tokens;
    return r;
}

SUSPENDS static int ask(struct run_task *task, const struct summary_plan *plan,
                        struct summary_draft *out, struct error *err)
{
    CLEANUP(arena_deinit) struct arena arena; /* what is asked is not needed afterwards */
    struct text model = model_of(task);
    const struct summary_model known = known_of(task, model);
    struct chat_request request;
    struct chat_reply reply;
    int r;

    arena_init(&arena, 0);
    r = summary_ask(plan, &known, &arena, &request, err);
    if (r == 0)
        r = aside_ask(task, &(struct aside){"summary", model, &request, SUMMARY_MS}, &reply, err);
    if (r == ASIDE_NOTHING)
        return SUMMARY_USELESS;
    if (r == 0)
        r = summary_take(plan, &reply, &task->arena, out, err);
    if (r != 0)
        return r;
    out->run = task->claim.row.lease.run;
    out->model = reply.answered_by;
    return 0;
}

/* The summary is stored, and the conversation begins with it. */
SUSPENDS static int keep(struct run_task *task, const struct summary_plan *plan,
                         const struct summary_draft *draft, struct error *err)
{
    struct store store = store_of(task);
    struct thread_summary summary = {
        .text = draft->text,
        .position = draft->to,
        .messages = draft->messages,
        .source_tokens = draft->source_tokens,
        .tokens = draft->tokens,
        .tried_tokens = -1,
    };
    struct context context = context_of(task);
    int r = summaries_keep(&store, task->claim.row.thread_id, draft, err);

    if (r == 0)
        r = summary_shorten(&context, plan, draft, &task->arena, err);
    if (r != 0)
        return r;
    task->conversation.messages = context.messages;
    task->conversation.count = task->conversation.room = context.count;
    task->conversation.first = context.first;
    task->summary = summary;
    return 0;
}

int stage_sum_up(struct run_task *task, struct error *err)
{
    struct summary_draft draft;
    struct summary_plan plan;
    struct context context;
    int64_t tokens;
    int r;

    if (!is_wanted(task, &tokens))
        return RUN_GO_ON;
    context = context_of(task);
    if (!summary_plan(&context, &task->conversation.history, &task->summary,
                      SUMMARY_KEEP_OF(task->setup.memory.trigger_tokens), INT64_MAX, &plan))
        return RUN_GO_ON;
    r = begin(task, tokens, err);
    if (r == 0)
        r = ask(task, &plan, &draft, err);
    if (r == 0)
        r = keep(task, &plan, &draft, err);
    if (r == -E_CANCELED)
        return r;
    if (r == 0)
        log_info("a summary was made before the first call", LOG_INT("messages", plan.read),
                 LOG_INT("tokens", draft.tokens), LOG_INT("instead_of", plan.tokens));
    else
        log_info("the run goes on without a summary", LOG_STR("why", r < 0 ? err->text : ""));
    return RUN_GO_ON;
}
