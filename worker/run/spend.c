/* What budgets say before a call.
 *
 * A call is made only where the most that it may come to is within every budget, or where its
 * answer can be bounded so that it is (allowance.h). A run without any budget is asked nothing, and
 * nobody estimates what its call would read. */

#include "worker/run/spend.h"

#include "providers/chat_tokens.h"
#include "shared/base/log.h"
#include "worker/run/task/task.h"
#include "worker/spending/allowance.h"

#define OWN_BUDGET "run_budget"

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

static int ask_own(struct run_task *task, const struct allowance_call *call,
                   struct chat_request *request)
{
    struct run_budget *budget = &task->setup.budget;
    const struct meter *meter = &task->meter;
    const struct budget_state state = {
        .max = budget->max,
        .spent.of = {[BUDGET_TOKENS] = meter->prompt_tokens + meter->completion_tokens,
                     [BUDGET_COST] = meter->cost_micros},
    };
    struct budget_need need = allowance_need(call, budget->at_limit);
    struct budget_amount granted;

    if (budget_ask(&state, &need, &granted) == BUDGET_GRANTED) {
        bound(task, call, &granted, OWN_BUDGET, request);
        return RUN_GO_ON;
    }
    if (budget->at_limit != BUDGET_FALLBACK)
        return ending_incomplete(&task->ending, OWN_BUDGET);
    budget->max = (struct budget_amount){.of = {0}};
    return fall_back(task, budget->fallback_model, OWN_BUDGET);
}

int spend_before(struct run_task *task, const struct provider_target *target,
                 struct chat_request *request, struct error *err)
{
    int64_t per_request = task->setup.tokens_per_request;
    struct allowance_call call;
    int64_t input_tokens;
    int64_t said = request->max_completion_tokens;

    (void)err;
    task->bounded_by = NULL;
    if (per_request == 0 && !has_budget(&task->setup.budget))
        return RUN_GO_ON;
    input_tokens = chat_tokens(request, TOKENS_O200K);
    if (!allowance_fits(input_tokens, per_request))
        return ending_incomplete(&task->ending, "max_tokens_per_request");
    call = allowance_of(target, input_tokens, said, per_request);
    request->max_completion_tokens = call.answer_most;
    if (per_request > 0 && call.answer_most == per_request - input_tokens)
        task->bounded_by = "max_tokens_per_request";
    return has_budget(&task->setup.budget) ? ask_own(task, &call, request) : RUN_GO_ON;
}
