/* The gate.
 *
 * Of each key and model it keeps what the provider has said about limits, and how long answers are,
 * since a call has to be paid for before it is known: what it reads is estimated from its text, and
 * what it will say from what was said lately. The difference is settled afterwards. */

#include "worker/gate/gate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "providers/chat_tokens.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/base/lru.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/limits/breaker.h"
#include "shared/redis/redis.h"

#define MODELS_MAX      1024
#define ANSWER_TOKENS   300    /* until one was seen */
#define WATCH_MS        600000 /* a model that refused is asked about for so long */
#define UNTOLD_HOLD_MS  1000
#define RETURN_EARLY_MS 1500
#define PRIORITY_WEIGHT 1e14 /* above all milliseconds since 1970 */

/* Which breakers are open, by key, and until when: milliseconds since 1970. */
#define KEY_PREFIX   "penstock:limit:"
#define BREAKERS_KEY "penstock:breakers"
#define BREAKERS_MAX 256 /* more are not looked at */

/* What is known of a key and model. */
struct known_model {
    struct lru_entry entry;
    struct list open_link; /* on gate.open, while its breaker is */
    struct breaker breaker;
    struct limit_rates said; /* by the provider; 0: nothing */
    double answer_tokens;    /* smoothed */
    int64_t watched_until_ms;
    char key[GATE_KEY_SIZE];
};

struct gate {
    struct redis *redis;
    struct limits *limits;
    struct lru models;
    struct list open; /* models whose breaker is open */
};

static bool is_model(const struct lru_entry *entry, const void *key)
{
    return strcmp(CONTAINER_OF(entry, struct known_model, entry)->key, key) == 0;
}

static void drop(struct lru_entry *entry)
{
    struct known_model *model = CONTAINER_OF(entry, struct known_model, entry);

    list_remove(&model->open_link);
    free(model);
}

struct gate *gate_new(struct redis *redis)
{
    struct gate *gate = xcalloc(1, sizeof(*gate));

    gate->redis = redis;
    gate->limits = limits_new(redis);
    list_init(&gate->open);
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
    (void)snprintf(out, GATE_KEY_SIZE, KEY_PREFIX "%.40s:%s:%.100s", target->provider_name,
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
    list_init(&model->open_link);
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

static struct limit_cost estimate(const struct gate_call *call, const struct known_model *model)
{
    int64_t most = call->request->max_completion_tokens;
    int64_t answer = (int64_t)model->answer_tokens;

    return (struct limit_cost){
        .requests = 1,
        .input_tokens = chat_tokens(call->request, TOKENS_O200K),
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

/* Nothing is learned by this one. */
static void forgo_trial(struct gate *gate, struct gate_visit *visit)
{
    if (visit->trial)
        breaker_unknown(&model_of(gate, visit->key)->breaker);
    visit->trial = false;
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
    enum breaker_state state;
    struct known_model *model;
    int r = 0;

    visit->taken = false;
    write_key(call->target, visit->key);
    model = model_of(gate, visit->key);
    state = breaker_ask(&model->breaker, clock_ms(), out_wait_ms);
    visit->trial = state == BREAKER_TRIAL;
    if (state == BREAKER_OPEN)
        return GATE_SHUT;
    visit->place.rates = rates_of(model, &call->target->limits);
    if (limit_rates_any(&visit->place.rates)) {
        fill_ask(call, model, visit);
        r = ask(gate, visit, out_wait_ms, err);
    }
    visit->began_ms = clock_ms();
    if (r != 0)
        forgo_trial(gate, visit);
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

/* ---- the breaker ---- */

/* Until when, by the clocks that machines share. */
static void tell_others(struct gate *gate, const struct known_model *model)
{
    int64_t until_ms = model->breaker.open_until_ms - clock_ms() + clock_wall_ms();
    struct text argv[4] = {TEXT("HDEL"), TEXT(BREAKERS_KEY), text_of(model->key)};
    char number[24];

    if (model->breaker.open_until_ms == 0) {
        redis_post(gate->redis, argv, 3);
        return;
    }
    (void)snprintf(number, sizeof(number), "%" PRId64, until_ms);
    argv[0] = TEXT("HSET");
    argv[3] = text_of(number);
    redis_post(gate->redis, argv, 4);
}

static void note_open(struct gate *gate, struct known_model *model)
{
    list_remove(&model->open_link);
    if (model->breaker.open_until_ms != 0)
        list_add(&gate->open, &model->open_link);
}

/* Which failures are those of a server that can't, and which tell that it is there. */
static void learn_health(struct gate *gate, struct known_model *model,
                         enum provider_failure failure)
{
    bool changed = false;

    switch (failure) {
    case PROVIDER_OVERLOADED:
    case PROVIDER_TIMED_OUT:
    case PROVIDER_STREAM_CUT:
    case PROVIDER_MALFORMED_REPLY:
        changed = breaker_failed(&model->breaker, clock_ms(), (uint32_t)random_below(UINT32_MAX));
        break;
    case PROVIDER_NO_ROOM:
        breaker_unknown(&model->breaker);
        break;
    case PROVIDER_OK:
    case PROVIDER_RATE_LIMITED:
    case PROVIDER_EMPTY_REPLY:
    case PROVIDER_REPLY_TOO_LARGE:
    case PROVIDER_QUOTA:
    case PROVIDER_CONTEXT_OVERFLOW:
    case PROVIDER_BAD_REQUEST:
    case PROVIDER_AUTH:
        changed = breaker_succeeded(&model->breaker);
        break;
    }
    if (!changed)
        return;
    note_open(gate, model);
    tell_others(gate, model);
    log_info(model->breaker.open_until_ms ? "a model fails again and again: it is left alone"
                                          : "a model answers again",
             LOG_STR("model", model->key + strlen(KEY_PREFIX)),
             LOG_INT("for_ms",
                     model->breaker.open_until_ms ? model->breaker.open_until_ms - clock_ms() : 0));
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
    learn_health(gate, model, outcome->failure);
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
    forgo_trial(gate, visit);
}

/* ---- what others found ---- */

static bool is_told(const redisReply *reply, const char *key)
{
    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        if (text_is(redis_reply_text(reply->element[i]), key))
            return true;
    return false;
}

/* What nobody tells of any more is closed; what is told is open until then. */
static void hear(struct gate *gate, const redisReply *reply)
{
    int64_t now_ms = clock_ms();
    int64_t now_wall_ms = clock_wall_ms();

    list_for_each_safe (item, &gate->open) {
        struct known_model *model = CONTAINER_OF(item, struct known_model, open_link);

        if (!is_told(reply, model->key)) {
            breaker_told(&model->breaker, 0);
            note_open(gate, model);
        }
    }
    for (size_t i = 0; i + 1 < reply->elements && i < 2 * BREAKERS_MAX; i += 2) {
        struct text key = redis_reply_text(reply->element[i]);
        char name[GATE_KEY_SIZE];
        struct known_model *model;
        int64_t until_ms;

        if (key.len == 0 || key.len >= sizeof(name) ||
            !text_to_int(redis_reply_text(reply->element[i + 1]), &until_ms))
            continue;
        until_ms -= now_wall_ms;
        if (until_ms <= 0 || until_ms > BREAKER_CAP_MS)
            continue; /* it is over, or a clock is wrong */
        (void)snprintf(name, sizeof(name), "%.*s", TEXT_ARGS(key));
        model = model_of(gate, name);
        breaker_told(&model->breaker, now_ms + until_ms);
        note_open(gate, model);
    }
}

int gate_share(struct gate *gate, struct error *err)
{
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    const struct text argv[2] = {TEXT("HGETALL"), TEXT(BREAKERS_KEY)};
    int r;

    if (!redis_is_ready(gate->redis))
        return 0;
    r = redis_command(gate->redis, argv, ARRAY_LENGTH(argv), &reply, err);
    if (r == -E_CANCELED)
        return r;
    if (r == 0 && reply->type == REDIS_REPLY_ARRAY)
        hear(gate, reply);
    return 0;
}
