/* What budgets say before a call.
 *
 * A call is made only where the most that it may come to is within every budget, or where its
 * answer can be bounded so that it is (allowance.h). A run without any budget is asked nothing, and
 * nobody estimates what its call would read. */

#include "worker/run/think/spend.h"

#include "providers/spending/allowance.h"
#include "providers/spending/spending.h"
#include "providers/wire/failure.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

#define OWN_BUDGET "run_budget"

/* Where other calls hold what is left of a budget it is asked again after BUSY_MS, and when that
 * was of no use for BUSY_HOLD_MS the run leaves its slot to others for as long. */
#define BUSY_MS      200
#define BUSY_HOLD_MS 3000
#define SPEND_BUSY   101

static bool has_budget(const struct run_budget *budget)
{
    return budget->max.of[BUDGET_TOKENS] > 0 || budget->max.of[BUDGET_COST] > 0;
}

/* What a budget grants is less than what the call may need. */
static void bound(struct run_task *task, const struct allowance_call *call,
                  const struct budget_amount *granted, const char *name,
                  struct chat_request *request)
{
    int64_t answer = allowance_answer(call, granted);

    if (answer >= request->max_completion_tokens)
        return;
    request->max_completion_tokens = answer;
    task->bounded_by = name;
}

/* From its limit on the run asks another model, which that budget does not hold back any more. */
static int fall_back(struct run_task *task, struct text model, const char *name)
{
    struct run_setup *setup = &task->setup;

    log_info("a budget is used up, another model is asked", LOG_STR("budget", name),
             LOG_STR("model", setup->model.ptr), LOG_STR("next", model.ptr));
    setup->model = model;
    setup->fallbacks_count = 0;
    return SPEND_OTHER_MODEL;
}

static enum budget_answer look_at_own(const struct run_task *task,
                                      const struct allowance_call *call,
                                      struct budget_amount *out_granted)
{
    const struct run_budget *budget = &task->setup.budget;
    const struct meter *meter = &task->meter;
    const struct budget_state state = {
        .max = budget->max,
        .spent.of = {[BUDGET_TOKENS] = meter->prompt_tokens + meter->completion_tokens,
                     [BUDGET_COST] = meter->cost_micros},
    };
    struct budget_need need = allowance_need(call, budget->at_limit);

    return budget_ask(&state, &need, out_granted);
}

static int ask_own(struct run_task *task, const struct allowance_call *call,
                   struct chat_request *request)
{
    struct run_budget *budget = &task->setup.budget;
    struct budget_amount granted;

    if (look_at_own(task, call, &granted) == BUDGET_GRANTED) {
        bound(task, call, &granted, OWN_BUDGET, request);
        return RUN_GO_ON;
    }
    if (budget->at_limit != BUDGET_FALLBACK)
        return ending_incomplete(&task->ending, OWN_BUDGET);
    budget->max = (struct budget_amount){.of = {0}};
    return fall_back(task, budget->fallback_model, OWN_BUDGET);
}

static int used_up(struct run_task *task, const struct spending_verdict *verdict)
{
    struct provider_failure_info failure;

    if (!task->single)
        return ending_incomplete(&task->ending, verdict->name);
    provider_failure_set(&failure, PROVIDER_QUOTA, NULL, "a budget is used up: the %s",
                         verdict->name);
    return single_call_failed(task->single, &failure, verdict->name, &task->ending);
}

/* Off the worker, until the budget begins anew, or somebody raises it. */
static int park(struct run_task *task, int64_t resets_in_ms)
{
    int64_t left_ms = task->expires_ms - clock_ms();

    if (left_ms <= 0)
        return ending_expired(&task->ending);
    if (resets_in_ms == 0 || resets_in_ms > left_ms)
        resets_in_ms = left_ms;
    return ending_hand_back(&task->ending, resets_in_ms, RUN_WAIT_BUDGET);
}

/* Returns SPEND_BUSY: ask again. */
static int follow(struct run_task *task, const struct allowance_call *call,
                  const struct spending_verdict *verdict, struct chat_request *request)
{
    struct text model = verdict->fallback_model;

    if (verdict->answer == BUDGET_BUSY)
        return SPEND_BUSY;
    if (verdict->answer == BUDGET_GRANTED) {
        if (verdict->answer_tokens < request->max_completion_tokens && call->answer_most > 0) {
            request->max_completion_tokens = verdict->answer_tokens;
            task->bounded_by = verdict->name;
        }
        return RUN_GO_ON;
    }
    if (verdict->at_limit == BUDGET_PARK)
        return park(task, verdict->resets_in_ms);
    /* Vectors of another model than the one that was asked for would be wrong. */
    if (verdict->at_limit == BUDGET_END || task->setup.texts)
        return used_up(task, verdict);
    model.ptr = arena_copy(&task->arena, model);
    if (!model.ptr)
        return ending_out_of_memory(&task->ending);
    spending_free(&task->spending, verdict->id);
    return fall_back(task, model, verdict->name);
}

static struct budget_amount unsaved(const struct run_task *task)
{
    const struct usage used = meter_unsaved(&task->meter);

    return (struct budget_amount){
        .of = {[BUDGET_TOKENS] = used.prompt_tokens + used.completion_tokens,
               [BUDGET_COST] = used.cost_micros}};
}

SUSPENDS static int ask_once(struct run_task *task, const struct provider_target *target,
                             const struct allowance_call *call, struct chat_request *request,
                             struct error *err)
{
    const struct budget_amount used = unsaved(task);
    struct worker *worker = task->worker;
    struct spending_verdict verdict;
    struct arena arena;
    int r;

    arena_init(&arena, 0);
    r = spending_ask(&task->spending, worker->pg, worker->redis, &arena, call, &used,
                     target->total_timeout_ms + BUSY_HOLD_MS, &verdict, err);
    if (r == 0)
        r = follow(task, call, &verdict, request);
    arena_deinit(&arena);
    return r;
}

static int ask_shared(struct run_task *task, const struct provider_target *target,
                      const struct allowance_call *call, struct chat_request *request,
                      struct error *err)
{
    int64_t until_ms = clock_ms() + BUSY_HOLD_MS;
    int r;

    for (;;) {
        r = ask_once(task, target, call, request, err);
        if (r != SPEND_BUSY)
            return r;
        if (clock_ms() >= until_ms)
            return park(task, BUSY_HOLD_MS / 2 + (int64_t)random_below(BUSY_HOLD_MS));
        r = fiber_sleep(BUSY_MS / 2 + (int64_t)random_below(BUSY_MS), err);
        if (r < 0)
            return r;
    }
}

/* What is counted over all calls of the run, and ends it when it is used up, is for its own. */
static bool leaves_enough(const struct run_task *task, int64_t input_tokens, int64_t output_max)
{
    const struct run_budgets *budgets = &task->setup.budgets;
    const struct meter *meter = &task->meter;

    return (budgets->max_prompt_tokens == 0 ||
            meter->prompt_tokens + input_tokens < budgets->max_prompt_tokens) &&
           (budgets->max_completion_tokens == 0 ||
            meter->completion_tokens + output_max < budgets->max_completion_tokens);
}

SUSPENDS static int ask_shared_aside(struct run_task *task, const struct provider_target *target,
                                     const struct allowance_call *call, struct error *err)
{
    const struct budget_amount used = unsaved(task);
    struct spending_verdict verdict;
    struct arena arena;
    int r;

    arena_init(&arena, 0);
    r = spending_ask(&task->spending, task->worker->pg, task->worker->redis, &arena, call, &used,
                     target->total_timeout_ms, &verdict, err);
    arena_deinit(&arena);
    if (r < 0)
        return r;
    return verdict.answer == BUDGET_GRANTED && verdict.answer_tokens >= call->answer_most
               ? RUN_GO_ON
               : SPEND_REFUSED;
}

int spend_aside(struct run_task *task, const struct provider_target *target,
                const struct chat_request *request, struct error *err)
{
    int64_t per_request = task->setup.tokens_per_request;
    int64_t input_tokens = allowance_input(request, NULL);
    int64_t said = request->max_completion_tokens;
    struct budget_amount granted;
    struct allowance_call call;

    if (!leaves_enough(task, input_tokens, said) || !allowance_fits(input_tokens, per_request))
        return SPEND_REFUSED;
    call = allowance_of(target, input_tokens, said, per_request);
    if (call.answer_most < said)
        return SPEND_REFUSED;
    if (has_budget(&task->setup.budget) && (look_at_own(task, &call, &granted) != BUDGET_GRANTED ||
                                            allowance_answer(&call, &granted) < said))
        return SPEND_REFUSED;
    return task->spending.count > 0 ? ask_shared_aside(task, target, &call, err) : RUN_GO_ON;
}

void spend_after(struct run_task *task)
{
    const struct budget_amount used = unsaved(task);

    spending_settle(&task->spending, task->worker->redis, &used);
}

int spend_before(struct run_task *task, const struct provider_target *target,
                 struct chat_request *request, struct error *err)
{
    int64_t per_request = task->setup.tokens_per_request;
    struct allowance_call call;
    int64_t input_tokens;
    int64_t said = request->max_completion_tokens;

    int r = RUN_GO_ON;

    task->bounded_by = NULL;
    if (per_request == 0 && !has_budget(&task->setup.budget) && task->spending.count == 0)
        return RUN_GO_ON;
    input_tokens = allowance_input(request, task->setup.texts);
    if (!allowance_fits(input_tokens, per_request))
        return ending_incomplete(&task->ending, "max_tokens_per_request");
    call = allowance_of(target, input_tokens, said, per_request);
    if (task->setup.texts)
        call.answer_most = 0;
    request->max_completion_tokens = call.answer_most;
    if (per_request > 0 && call.answer_most == per_request - input_tokens)
        task->bounded_by = "max_tokens_per_request";
    if (has_budget(&task->setup.budget))
        r = ask_own(task, &call, request);
    if (r == RUN_GO_ON && task->spending.count > 0)
        r = ask_shared(task, target, &call, request, err);
    return r;
}
