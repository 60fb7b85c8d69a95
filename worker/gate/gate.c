/* The gate.
 *
 * Of each key and model it keeps what the provider has said about limits, and how long answers are,
 * since a call has to be paid for before it is known: what it reads is estimated from its text, and
 * what it will say from what was said lately. The difference is settled afterwards. */

#include "worker/gate/gate.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/lru.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"

#define MODELS_MAX      1024
#define ANSWER_TOKENS   300    /* until one was seen */
#define WATCH_MS        600000 /* a model that refused is asked about for so long */
#define UNTOLD_HOLD_MS  1000
#define RETURN_EARLY_MS 1500
#define PRIORITY_WEIGHT 1e14 /* above all milliseconds since 1970 */
#define BYTES_PER_TOKEN 4

/* What is known of a key and model. */
struct known_model {
    struct lru_entry entry;
    struct limit_rates said; /* by the provider; 0: nothing */
    double answer_tokens;    /* smoothed */
    int64_t watched_until_ms;
    char key[GATE_KEY_SIZE];
};

struct gate {
    struct limits *limits;
    struct lru models;
};

static bool is_model(const struct lru_entry *entry, const void *key)
{
    return strcmp(CONTAINER_OF(entry, struct known_model, entry)->key, key) == 0;
}

static void drop(struct lru_entry *entry)
{
    free(CONTAINER_OF(entry, struct known_model, entry));
}

struct gate *gate_new(struct redis *redis)
{
    struct gate *gate = xcalloc(1, sizeof(*gate));

    gate->limits = limits_new(redis);
    lru_init(&gate->models, MODELS_MAX, is_model, drop);
    return gate;
}

void gate_free(struct gate *gate)
{
    if (!gate)
        return;
    lru_deinit(&gate->models);
    limits_free(gate->limits);
    free(gate);
}

void gate_set_workers(struct gate *gate, int64_t workers)
{
    limits_set_workers(gate->limits, workers);
}

static void write_key(const struct provider_target *target, char out[GATE_KEY_SIZE])
{
    (void)snprintf(out, GATE_KEY_SIZE, "penstock:limit:%.40s:%s:%.100s", target->provider_name,
                   target->key_id ? target->key_id : "", target->model);
}

static struct known_model *model_of(struct gate *gate, const char *key)
{
    uint64_t hash = text_hash(text_of(key));
    struct lru_entry *entry = lru_find(&gate->models, hash, key);
    struct known_model *model;

    if (entry)
        return CONTAINER_OF(entry, struct known_model, entry);
    model = xcalloc(1, sizeof(*model));
    (void)snprintf(model->key, sizeof(model->key), "%s", key);
    model->answer_tokens = ANSWER_TOKENS;
    lru_add(&gate->models, hash, &model->entry);
    return model;
}

/* ---- what may come out ---- */

static void set(int64_t said, int64_t known, int64_t *out)
{
    *out = said > 0 ? said : known;
}

static struct limit_rates rates_of(const struct known_model *model,
                                   const struct model_limits *known)
{
    struct limit_rates rates = {.calls = known->concurrent_calls};
    const int64_t *said = model->said.of;

    set(said[LIMIT_REQUESTS], known->requests_per_minute, &rates.of[LIMIT_REQUESTS]);
    set(said[LIMIT_TOKENS], known->tokens_per_minute, &rates.of[LIMIT_TOKENS]);
    set(said[LIMIT_INPUT_TOKENS], known->input_tokens_per_minute, &rates.of[LIMIT_INPUT_TOKENS]);
    set(said[LIMIT_OUTPUT_TOKENS], known->output_tokens_per_minute, &rates.of[LIMIT_OUTPUT_TOKENS]);
    set(said[LIMIT_REQUESTS_DAY], known->requests_per_day, &rates.of[LIMIT_REQUESTS_DAY]);
    set(said[LIMIT_TOKENS_DAY], known->tokens_per_day, &rates.of[LIMIT_TOKENS_DAY]);
    /* One that refused and did not say what it allows: no rate, but a hold for all. */
    if (!limit_rates_any(&rates) && clock_ms() < model->watched_until_ms)
        rates.of[LIMIT_REQUESTS] = INT64_C(1) << 30;
    return rates;
}

/* Runs of a better priority first, then those that were made first (the time in a UUIDv7, RFC 9562,
 * section 5.7). */
static double order_of(const struct gate_call *call)
{
    double made_ms = 0;

    for (int i = 0; i < 6; i++)
        made_ms = made_ms * 256 + call->run.bytes[i];
    return (double)call->priority * PRIORITY_WEIGHT + made_ms;
}

static int64_t tokens_of(struct text text)
{
    return (int64_t)(text.len / BYTES_PER_TOKEN);
}

static int64_t input_tokens(const struct chat_request *request)
{
    int64_t tokens = tokens_of(request->instructions);

    for (size_t i = 0; i < request->messages_count; i++)
        tokens += tokens_of(request->messages[i].text);
    for (size_t i = 0; i < request->tools_count; i++)
        tokens += tokens_of(request->tools[i].parameters);
    return tokens;
}

static struct limit_cost estimate(const struct gate_call *call, const struct known_model *model)
{
    int64_t most = call->request->max_completion_tokens;
    int64_t answer = (int64_t)model->answer_tokens;

    return (struct limit_cost){
        .requests = 1,
        .input_tokens = input_tokens(call->request),
        .output_tokens = most > 0 && most < answer ? most : answer,
    };
}

static void fill_ask(const struct gate_call *call, const struct known_model *model,
                     struct gate_visit *visit)
{
    id_format(ID_RUN, call->run, visit->id);
    visit->place.key = text_of(visit->key);
    visit->ask = (struct limit_ask){
        .choices = &visit->place,
        .choices_count = 1,
        .cost = estimate(call, model),
        .order = order_of(call),
        .id = text_of(visit->id),
        .hold_ms = GATE_HOLD_MS,
        .call_ms = call->call_ms,
    };
}

/* A little before its turn, since the way back through the queue takes a while. */
static int64_t return_after(int64_t wait_ms)
{
    int64_t early_ms = wait_ms - wait_ms / 10 - RETURN_EARLY_MS;

    return early_ms > 0 ? early_ms : 1;
}

/* Asks until it may begin, or has to come back. */
SUSPENDS static int ask(struct gate *gate, struct gate_visit *visit, int64_t *out_wait_ms,
                        struct error *err)
{
    for (;;) {
        int r = limits_take(gate->limits, &visit->ask, &visit->grant, err);

        if (r < 0)
            return r;
        visit->taken = r == 0;
        if (r == LIMITS_LATER && visit->grant.wait_ms > GATE_HOLD_MS) {
            *out_wait_ms = return_after(visit->grant.wait_ms);
            return GATE_LATER;
        }
        if (visit->grant.wait_ms > 0 && fiber_sleep(visit->grant.wait_ms, err) < 0) {
            gate_give_back(gate, visit);
            return -E_CANCELED;
        }
        if (r == 0)
            return 0;
    }
}

int gate_enter(struct gate *gate, const struct gate_call *call, struct gate_visit *visit,
               int64_t *out_wait_ms, struct error *err)
{
    struct known_model *model;
    int r = 0;

    visit->taken = false;
    write_key(call->target, visit->key);
    model = model_of(gate, visit->key);
    visit->place.rates = rates_of(model, &call->target->limits);
    if (limit_rates_any(&visit->place.rates)) {
        fill_ask(call, model, visit);
        r = ask(gate, visit, out_wait_ms, err);
    }
    visit->began_ms = clock_ms();
    return r;
}

/* ---- what came of it ---- */

/* A limit whose rest comes back within the hour is one of the day when that takes as long as a day
 * would: providers name both alike. */
static bool is_daily(int64_t limit, int64_t remaining, int64_t reset_ms)
{
    return remaining >= 0 && limit > remaining && reset_ms > 0 &&
           (double)reset_ms * (double)limit / (double)(limit - remaining) > 3600e3;
}

static void learn_rate(struct known_model *model, int64_t limit, bool daily,
                       enum limit_rate a_minute, enum limit_rate a_day)
{
    if (limit > 0)
        model->said.of[daily ? a_day : a_minute] = limit;
}

static void learn_limits(struct known_model *model, const struct provider_limits *limits)
{
    learn_rate(
        model, limits->requests_limit,
        is_daily(limits->requests_limit, limits->requests_remaining, limits->requests_reset_ms),
        LIMIT_REQUESTS, LIMIT_REQUESTS_DAY);
    learn_rate(model, limits->tokens_limit,
               is_daily(limits->tokens_limit, limits->tokens_remaining, limits->tokens_reset_ms),
               LIMIT_TOKENS, LIMIT_TOKENS_DAY);
    learn_rate(model, limits->input_tokens_limit, false, LIMIT_INPUT_TOKENS, LIMIT_INPUT_TOKENS);
    learn_rate(model, limits->output_tokens_limit, false, LIMIT_OUTPUT_TOKENS, LIMIT_OUTPUT_TOKENS);
}

static void learn_answer(struct known_model *model, const struct gate_outcome *outcome)
{
    if (outcome->failure == PROVIDER_OK)
        model->answer_tokens =
            model->answer_tokens * 0.9 + (double)outcome->usage.output_tokens * 0.1;
}

static int64_t hold_of(const struct gate_outcome *outcome)
{
    if (outcome->failure != PROVIDER_RATE_LIMITED)
        return 0;
    return outcome->retry_after_ms >= 0 ? outcome->retry_after_ms : UNTOLD_HOLD_MS;
}

/* What a call has cost. A provider that does not say, and one that failed, has read the request if
 * it gave any reply; one that refused for its limits has not. */
static struct limit_cost cost_of(const struct gate_visit *visit, const struct gate_outcome *outcome)
{
    struct limit_cost cost = {.requests = 1};

    if (outcome->usage.input_tokens > 0) {
        cost.input_tokens = outcome->usage.input_tokens;
        cost.output_tokens = outcome->usage.output_tokens;
    } else if (outcome->failure == PROVIDER_OK) {
        cost = visit->ask.cost;
    } else if (outcome->status == 0) {
        cost.requests = 0;
    } else if (outcome->failure != PROVIDER_RATE_LIMITED) {
        cost.input_tokens = visit->ask.cost.input_tokens;
    }
    return cost;
}

static void settle(struct gate *gate, struct gate_visit *visit, const struct gate_outcome *outcome,
                   bool requests_daily, bool tokens_daily)
{
    struct limit_settlement settlement = {
        .real = cost_of(visit, outcome),
        .call_ms = clock_ms() - visit->began_ms + 1,
        .hold_ms = hold_of(outcome),
        .left = {-1, -1, -1, -1},
    };

    if (!requests_daily)
        settlement.left[LIMIT_REQUESTS] = outcome->limits->requests_remaining;
    if (!tokens_daily)
        settlement.left[LIMIT_TOKENS] = outcome->limits->tokens_remaining;
    settlement.left[LIMIT_INPUT_TOKENS] = outcome->limits->input_tokens_remaining;
    settlement.left[LIMIT_OUTPUT_TOKENS] = outcome->limits->output_tokens_remaining;
    limits_settle(gate->limits, &visit->ask, &visit->grant, &settlement);
    visit->taken = false;
}

void gate_leave(struct gate *gate, struct gate_visit *visit, const struct gate_outcome *outcome)
{
    const struct provider_limits *limits = outcome->limits;
    struct known_model *model = model_of(gate, visit->key);

    learn_limits(model, limits);
    learn_answer(model, outcome);
    if (outcome->failure == PROVIDER_RATE_LIMITED)
        model->watched_until_ms = clock_ms() + WATCH_MS;
    if (visit->taken)
        settle(
            gate, visit, outcome,
            is_daily(limits->requests_limit, limits->requests_remaining, limits->requests_reset_ms),
            is_daily(limits->tokens_limit, limits->tokens_remaining, limits->tokens_reset_ms));
}

void gate_give_back(struct gate *gate, struct gate_visit *visit)
{
    const struct limit_settlement nothing = {.left = {-1, -1, -1, -1}};

    if (visit->taken)
        limits_settle(gate->limits, &visit->ask, &visit->grant, &nothing);
    visit->taken = false;
}
