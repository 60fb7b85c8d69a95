/* Think: one model call, with the run's budgets before it and the retry policy (outcome.h) behind
 * it. */

#include <inttypes.h>

#include "providers/models/registry.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/config/config.h"
#include "worker/lease/trust.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"
#include "worker/run/think/thinking.h"
#include "worker/state.h"

static int check_budgets(struct run_task *task)
{
    struct run_budgets budgets = task->setup.budgets;
    const char *used_up;

    if (budgets.max_iterations == 0)
        budgets.max_iterations = task->worker->config->worker.max_iterations;
    if (clock_ms() >= task->deadline_ms)
        return ending_expired(&task->ending);
    used_up = meter_used_up(&task->meter, &budgets);
    return used_up ? ending_incomplete(&task->ending, used_up) : RUN_GO_ON;
}

static void thinking_deinit(struct thinking *thinking)
{
    provider_registry_free(thinking->registry);
    buf_deinit(&thinking->instructions);
}

/* The same key for each try of a model in a step, until the run is handed back: that is a write,
 * and what is tried after it has another key. NULL: the arena is full. */
static const char *step_key(struct run_task *task, size_t turn)
{
    const struct run_lease *lease = &task->claim.row.lease;
    char id[ID_TEXT_SIZE];

    id_format(ID_RUN, lease->run, id);
    if (turn > 0)
        return arena_printf(&task->arena, "%s:step-%" PRId64 ":fallback-%zu", id, lease->step,
                            turn);
    return arena_printf(&task->arena, "%s:step-%" PRId64, id, lease->step);
}

/* Makes the target the model whose turn it is. Returns 0, or as provider_registry_resolve and
 * meter_expect do. */
static int resolve(struct run_task *task, struct thinking *thinking, struct error *err)
{
    struct text model = model_chain_model(&thinking->chain);
    int r = 0;

    if (provider_registry_follow(&thinking->registry, task->worker->registry))
        thinking->resolved = false;
    if (thinking->resolved)
        return 0;
    r = provider_registry_resolve(thinking->registry, model, &thinking->target, err);
    if (r == 0)
        r = meter_expect(&task->meter, &thinking->target, err);
    if (r < 0)
        return r;
    thinking->key = step_key(task, thinking->chain.turn);
    thinking->fit = (struct context_fit){0};
    thinking->keys_failed = 0;
    thinking->whole = false;
    thinking->resolved = true;
    return 0;
}

static int try(struct run_task *task, struct thinking *thinking, struct error *err)
{
    int r = resolve(task, thinking, err);

    return r < 0 ? thinking_not_asked(task, thinking, err) : thinking_ask(task, thinking, err);
}

int stage_think(struct run_task *task, struct error *err)
{
    CLEANUP(thinking_deinit)
    struct thinking thinking = {.chain = {.setup = &task->setup, .arena = &task->arena}};
    int r = RUN_GO_ON;

    if (task->setup.tools.plans && !task->setup.asked)
        r = thinking_recall(task, &thinking, err);
    while (r == RUN_GO_ON && !thinking.replied) {
        r = trust_wait(task->worker->heartbeat, err);
        if (r == 0)
            r = check_budgets(task);
        if (r != RUN_GO_ON)
            return r;
        if (conversation_repair(&task->conversation, err) < 0)
            return ending_failed(&task->ending, "server_error", "%s.", err->text);
        r = try(task, &thinking, err);
        if (r != RUN_GO_ON)
            return r;
    }
    return r;
}
