/* The meter of a run. */

#include "worker/run/task/meter.h"

#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"

void meter_begin(struct meter *meter, const struct run_claim *claim, int64_t thread_bytes,
                 struct arena *arena)
{
    int64_t left = thread_bytes - claim->thread_bytes;

    *meter = (struct meter){
        .arena = arena,
        .prompt_tokens = claim->prompt_tokens,
        .completion_tokens = claim->completion_tokens,
        .cost_micros = claim->cost_micros,
        .attempts = claim->errors,
        .attempts_told = claim->errors,
        .bytes_left = left < claim->user_bytes_left ? left : claim->user_bytes_left,
        .due_us = clock_us() - claim->waited_us,
        .has_first_token = claim->has_first_token,
    };
}

void meter_hear(struct meter *meter, int64_t now_us)
{
    if (meter->has_first_token)
        return;
    meter->has_first_token = true;
    meter->first_token_ms = (now_us - meter->due_us) / 1000;
    if (meter->first_token_ms < 1)
        meter->first_token_ms = 1;
}

static int64_t bytes_of(const struct run_changes *changes)
{
    int64_t bytes = 0;

    for (size_t i = 0; i < changes->message_count; i++)
        bytes += run_message_bytes(&changes->messages[i]);
    return bytes;
}

bool meter_fits(const struct meter *meter, const struct run_changes *changes)
{
    return changes->message_count == 0 || bytes_of(changes) <= meter->bytes_left;
}

void meter_add_bytes(struct meter *meter, const struct run_changes *changes)
{
    meter->bytes_left -= bytes_of(changes);
}

static struct model_usage *find(const struct meter *meter, const struct provider_target *target)
{
    for (size_t i = 0; i < meter->unsaved_count; i++) {
        struct model_usage *usage = &meter->unsaved[i];

        if (text_is(usage->model, target->model) && text_is(usage->provider, target->provider_name))
            return usage;
    }
    return NULL;
}

/* The names are copied, since a configuration that is read again may replace them. */
int meter_expect(struct meter *meter, const struct provider_target *target, struct error *err)
{
    size_t count = meter->unsaved_count;
    struct model_usage *more;
    const char *provider;
    const char *model;

    if (find(meter, target))
        return 0;
    more = arena_calloc(meter->arena, count + 1, sizeof(*more));
    provider = arena_string(meter->arena, target->provider_name);
    model = arena_string(meter->arena, target->model);
    if (!more || !provider || !model)
        return error_set(err, E_LIMIT, "the run has no memory left to count what it uses");
    if (count > 0)
        memcpy(more, meter->unsaved, count * sizeof(*more));
    more[count] = (struct model_usage){.provider = text_of(provider), .model = text_of(model)};
    meter->unsaved = more;
    meter->unsaved_count++;
    return 0;
}

static void pay(struct meter *meter, const struct provider_target *target,
                const struct chat_usage *usage)
{
    const struct usage used = {
        .prompt_tokens = usage->input_tokens,
        .completion_tokens = usage->output_tokens,
        .cached_tokens = usage->cached_input_tokens,
        .cache_write_tokens = usage->cache_write_tokens,
        .reasoning_tokens = usage->reasoning_tokens,
        .cost_micros = usage->cost_micros,
    };
    struct model_usage *of_model = find(meter, target);

    ASSERT(of_model);
    meter->prompt_tokens += used.prompt_tokens;
    meter->completion_tokens += used.completion_tokens;
    meter->cost_micros += used.cost_micros;
    of_model->calls++;
    usage_add(&of_model->used, &used);
}

void meter_add_reply(struct meter *meter, const struct provider_target *target,
                     const struct chat_usage *usage)
{
    meter->iterations++;
    meter->attempts = meter->limited = 0;
    pay(meter, target, usage);
}

void meter_add_aside(struct meter *meter, const struct provider_target *target,
                     const struct chat_usage *usage)
{
    pay(meter, target, usage);
}

void meter_add_failure(struct meter *meter, const struct provider_target *target,
                       const struct chat_usage *usage)
{
    if (usage->input_tokens > 0 || usage->output_tokens > 0)
        pay(meter, target, usage);
}

struct usage meter_unsaved(const struct meter *meter)
{
    struct usage sum = {0};

    for (size_t i = 0; i < meter->unsaved_count; i++)
        usage_add(&sum, &meter->unsaved[i].used);
    return sum;
}

void meter_saved(struct meter *meter)
{
    for (size_t i = 0; i < meter->unsaved_count; i++) {
        meter->unsaved[i].calls = 0;
        meter->unsaved[i].used = (struct usage){0};
    }
    meter->attempts_told = meter->attempts;
    meter->first_token_ms = 0;
}

int64_t meter_output_left(const struct meter *meter, const struct run_budgets *budgets)
{
    int64_t left = budgets->max_completion_tokens - meter->completion_tokens;

    if (budgets->max_completion_tokens == 0)
        return 0;
    return left > 0 ? left : -1;
}

int64_t meter_output_of_call(const struct meter *meter, const struct run_budgets *budgets)
{
    int64_t left = meter_output_left(meter, budgets);
    int64_t most = budgets->max_output_tokens;

    return left == 0 || (most > 0 && most < left) ? most : left;
}

const char *meter_used_up(const struct meter *meter, const struct run_budgets *budgets)
{
    if (meter_output_left(meter, budgets) < 0)
        return "max_completion_tokens";
    if (budgets->max_prompt_tokens > 0 && meter->prompt_tokens >= budgets->max_prompt_tokens)
        return "max_prompt_tokens";
    if (budgets->max_iterations > 0 && meter->iterations >= budgets->max_iterations)
        return "max_iterations";
    if (meter->bytes_left <= 0)
        return "thread_size";
    return NULL;
}
