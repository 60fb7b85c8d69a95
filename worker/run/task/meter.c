/* The meter of a run. */

#include "worker/run/task/meter.h"

void meter_begin(struct meter *meter, const struct run_claim *claim)
{
    *meter = (struct meter){
        .prompt_tokens = claim->prompt_tokens,
        .completion_tokens = claim->completion_tokens,
        .attempts = claim->errors,
        .attempts_told = claim->errors,
    };
}

static int64_t clamp(int64_t tokens)
{
    if (tokens < 0)
        return 0;
    return tokens < METER_TOKENS_MAX ? tokens : METER_TOKENS_MAX;
}

static void pay(struct meter *meter, struct chat_usage *usage)
{
    usage->input_tokens = clamp(usage->input_tokens);
    usage->output_tokens = clamp(usage->output_tokens);
    meter->prompt_tokens += usage->input_tokens;
    meter->completion_tokens += usage->output_tokens;
    meter->unsaved_prompt_tokens += usage->input_tokens;
    meter->unsaved_completion_tokens += usage->output_tokens;
}

void meter_add_reply(struct meter *meter, struct chat_usage *usage)
{
    meter->iterations++;
    meter->attempts = meter->limited = 0;
    pay(meter, usage);
}

void meter_add_failure(struct meter *meter, struct chat_usage *usage)
{
    pay(meter, usage);
}

void meter_saved(struct meter *meter)
{
    meter->unsaved_prompt_tokens = meter->unsaved_completion_tokens = 0;
    meter->attempts_told = meter->attempts;
}

int64_t meter_output_left(const struct meter *meter, const struct run_budgets *budgets)
{
    int64_t left = budgets->max_completion_tokens - meter->completion_tokens;

    if (budgets->max_completion_tokens == 0)
        return 0;
    return left > 0 ? left : -1;
}

const char *meter_used_up(const struct meter *meter, const struct run_budgets *budgets)
{
    if (meter_output_left(meter, budgets) < 0)
        return "max_completion_tokens";
    if (budgets->max_prompt_tokens > 0 && meter->prompt_tokens >= budgets->max_prompt_tokens)
        return "max_prompt_tokens";
    if (budgets->max_iterations > 0 && meter->iterations >= budgets->max_iterations)
        return "max_iterations";
    return NULL;
}
