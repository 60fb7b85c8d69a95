/* The gate.
 *
 * A call has to be paid for before it is known: what it reads is estimated from its text, and what
 * it will say from what was said lately. The difference is settled afterwards. */

#include "providers/gate/gate.h"

#include <stdio.h>
#include <stdlib.h>

#include "providers/chat_tokens.h"
#include "providers/gate/health.h"
#include "providers/gate/known.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"

#define WATCH_MS        600000 /* a model that refused is asked about for so long */
#define UNTOLD_HOLD_MS  1000
#define RETURN_EARLY_MS 1500
#define RETURN_FAR_MS   20000
#define CONTEXT_MAX     INT64_C(4000000) /* tokens */
#define PRIORITY_WEIGHT 1e14             /* above all milliseconds since 1970 */

struct gate {
    struct redis *redis;
    struct limits *limits;
    struct known_table known;
    size_t turn; /* of the keys of providers: who is asked first */
};

struct gate *gate_new(struct redis *redis)
{
    struct gate *gate = xcalloc(1, sizeof(*gate));

    gate->redis = redis;
    gate->limits = limits_new(redis);
    known_init(&gate->known);
    return gate;
}

void gate_free(struct gate *gate)
{
    if (!gate)
        return;
    known_deinit(&gate->known);
    limits_free(gate->limits);
    free(gate);
}

void gate_set_workers(struct gate *gate, int64_t workers)
{
    limits_set_workers(gate->limits, workers);
}

int gate_share(struct gate *gate, struct error *err)
{
    return health_share(&gate->known, gate->redis, err);
}

void gate_stats_get(const struct gate *gate, struct gate_stats *out)
{
    *out = (struct gate_stats){.limits = limits_stats(gate->limits)};
    list_for_each (item, &gate->known.open)
        out->left_alone++;
}

/* ---- names ---- */

static const char *key_id(const struct provider_target *target, size_t key)
{
    return target->keys_count > 0 ? target->keys[key].id : "";
}

/* What is kept whichever key is used. */
static struct known *model_of(struct gate *gate, const struct provider_target *target,
                              char name[KNOWN_NAME_SIZE])
{
    known_name(target, target->keys_count == 1 ? target->keys[0].id : "", name);
    return known_of(&gate->known, name);
}

/* The same, of a call that is under way. Of a provider with one key that is what is known of it. */
static struct known *model_of_visit(struct gate *gate, const struct gate_visit *visit)
{
    char name[KNOWN_NAME_SIZE];

    return visit->target->keys_count > 1 ? model_of(gate, visit->target, name)
                                         : known_of(&gate->known, visit->name);
}

static struct known *known_of_key(struct gate *gate, const struct provider_target *target,
                                  size_t key, char name[KNOWN_NAME_SIZE])
{
    known_name(target, key_id(target, key), name);
    return known_of(&gate->known, name);
}

/* "penstock:limit:openai", with which the names of all its keys and models begin. */
static struct text provider_name(const struct gate_visit *visit)
{
    const char *end = strchr(visit->name + strlen(KNOWN_PREFIX), ':');

    return (struct text){visit->name, (size_t)(end - visit->name)};
}

/* ---- what is asked ---- */

/* Runs of a better priority first, then those that were made first. */
static double order_of(const struct gate_call *call)
{
    return (double)call->priority * PRIORITY_WEIGHT + (double)uuid_made_ms(call->run);
}

static struct limit_cost estimate(const struct gate_call *call, int64_t answer_tokens)
{
    int64_t most = call->request->max_completion_tokens;

    return (struct limit_cost){
        .requests = 1,
        .input_tokens = chat_tokens(call->request, TOKENS_O200K),
        .output_tokens = most > 0 && most < answer_tokens ? most : answer_tokens,
    };
}

/* What is taken beside the limits of the key and model. */
static void fill_also(const struct gate_call *call, struct gate_visit *visit)
{
    struct limit_rates rates = {.calls = call->target->concurrent_calls};
    size_t count = 0;

    if (rates.calls > 0)
        visit->also[count++] = (struct limit_place){provider_name(visit), rates};
    rates = (struct limit_rates){.of = {[LIMIT_REQUESTS] = call->tenant_requests_per_minute,
                                        [LIMIT_TOKENS] = call->tenant_tokens_per_minute}};
    if (limit_rates_any(&rates)) {
        char id[ID_TEXT_SIZE];

        id_format(ID_TENANT, call->tenant, id);
        (void)snprintf(visit->tenant_name, sizeof(visit->tenant_name), KNOWN_PREFIX "%s", id);
        visit->also[count++] = (struct limit_place){text_of(visit->tenant_name), rates};
    }
    visit->ask.also = visit->also;
    visit->ask.also_count = count;
}

/* The keys of a provider that has several. Held only until one is chosen. */
struct key_choices {
    size_t count;
    size_t keys[LIMIT_CHOICES_MAX];
    struct limit_place places[LIMIT_CHOICES_MAX];
    char names[LIMIT_CHOICES_MAX][KNOWN_NAME_SIZE];
};

/* Those that are not left out, or all when all are: then the provider says why. The first one is
 * another each time, so that keys with the same room are used in turn. */
static struct key_choices *choices_new(struct gate *gate, const struct provider_target *target)
{
    struct key_choices *choices = xcalloc(1, sizeof(*choices));
    size_t first = gate->turn++;

    for (int all = 0; choices->count == 0 && all < 2; all++)
        for (size_t i = 0; i < target->keys_count && choices->count < LIMIT_CHOICES_MAX; i++) {
            size_t key = (first + i) % target->keys_count;
            char *name = choices->names[choices->count];
            const struct known *known = known_of_key(gate, target, key, name);

            if (!all && known->out_until_ms > clock_ms())
                continue;
            choices->keys[choices->count] = key;
            choices->places[choices->count++] =
                (struct limit_place){text_of(name), known_rates(known, &target->limits)};
        }
    return choices;
}

/* From here on the visit has one key. */
static void settle_on(struct gate_visit *visit, const struct key_choices *choices)
{
    size_t choice = visit->grant.choice;

    memcpy(visit->name, choices->names[choice], sizeof(visit->name));
    visit->key = choices->keys[choice];
    visit->place = (struct limit_place){text_of(visit->name), choices->places[choice].rates};
    visit->ask.choices = &visit->place;
    visit->ask.choices_count = 1;
    visit->grant.choice = 0;
}

/* A little before its turn, since the way back through the queue takes a while; and the further
 * that is, the earlier, since calls may turn out to cost less than they do now. */
static int64_t return_after(int64_t wait_ms)
{
    int64_t early_ms = wait_ms - wait_ms / (wait_ms > RETURN_FAR_MS ? 3 : 10) - RETURN_EARLY_MS;

    return early_ms > 0 ? early_ms : 1;
}

/* Nothing is learned by this one. */
static void forgo_trial(struct gate *gate, struct gate_visit *visit)
{
    if (visit->trial)
        breaker_unknown(&model_of_visit(gate, visit)->breaker);
    visit->trial = false;
}

/* Asks until it may begin, or has to come back. */
SUSPENDS static int ask(struct gate *gate, struct gate_visit *visit,
                        const struct key_choices *choices, int64_t *out_wait_ms, struct error *err)
{
    for (;;) {
        int r = limits_take(gate->limits, &visit->ask, &visit->grant, err);

        if (r < 0)
            return r;
        visit->taken = r == 0;
        if (r == 0 && choices)
            settle_on(visit, choices);
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

/* What is taken of a key's limits, the provider's and the tenant's. */
static void fill_ask(struct gate *gate, const struct gate_call *call, struct gate_visit *visit,
                     const struct key_choices *choices)
{
    int64_t answer_tokens = (int64_t)model_of_visit(gate, visit)->answer_tokens;

    id_format(ID_RUN, call->run, visit->id);
    visit->ask = (struct limit_ask){
        .choices = choices ? choices->places : &visit->place,
        .choices_count = choices ? choices->count : 1,
        .also = visit->ask.also,
        .also_count = visit->ask.also_count,
        .cost = estimate(call, answer_tokens),
        .order = order_of(call),
        .id = text_of(visit->id),
        .hold_ms = GATE_HOLD_MS,
        .call_ms = call->call_ms,
    };
}

void gate_quit(struct gate *gate, const struct gate_call *call)
{
    CLEANUP(freep) struct key_choices *choices = NULL;
    struct gate_visit visit = {.target = call->target};

    visit.place.rates =
        known_rates(model_of(gate, call->target, visit.name), &call->target->limits);
    visit.place.key = text_of(visit.name);
    if (call->target->keys_count > 1)
        choices = choices_new(gate, call->target);
    fill_also(call, &visit);
    fill_ask(gate, call, &visit, choices);
    limits_leave(gate->limits, &visit.ask);
}

static bool is_limited(const struct gate_visit *visit, const struct key_choices *choices)
{
    bool limited = visit->ask.also_count > 0 || limit_rates_any(&visit->place.rates);

    for (size_t i = 0; choices && i < choices->count; i++)
        limited |= limit_rates_any(&choices->places[i].rates);
    return limited;
}

/* Chooses a key, and waits until its limits, and the others, let the call begin. */
SUSPENDS static int pass(struct gate *gate, const struct gate_call *call, const struct known *model,
                         struct gate_visit *visit, int64_t *out_wait_ms, struct error *err)
{
    const struct provider_target *target = call->target;
    CLEANUP(freep) struct key_choices *choices = NULL;

    visit->key = 0;
    visit->place = (struct limit_place){text_of(visit->name), {.calls = 0}};
    if (target->keys_count > 1)
        choices = choices_new(gate, target);
    else
        visit->place.rates = known_rates(model, &target->limits);
    fill_also(call, visit);
    if (is_limited(visit, choices)) {
        fill_ask(gate, call, visit, choices);
        return ask(gate, visit, choices, out_wait_ms, err);
    }
    visit->grant = (struct limit_grant){.choice = 0};
    if (choices)
        settle_on(visit, choices);
    return 0;
}

int gate_enter(struct gate *gate, const struct gate_call *call, struct gate_visit *visit,
               int64_t *out_wait_ms, struct error *err)
{
    struct known *model = model_of(gate, call->target, visit->name);
    enum breaker_state state = breaker_ask(&model->breaker, clock_ms(), out_wait_ms);
    int r;

    visit->target = call->target;
    visit->taken = false;
    visit->trial = state == BREAKER_TRIAL;
    if (state == BREAKER_OPEN)
        return GATE_SHUT;
    r = pass(gate, call, model, visit, out_wait_ms, err);
    visit->began_ms = clock_ms();
    if (r != 0)
        forgo_trial(gate, visit);
    return r;
}

/* ---- what came of it ---- */

static int64_t hold_of(const struct gate_outcome *outcome)
{
    if (outcome->failure != PROVIDER_RATE_LIMITED)
        return 0;
    return outcome->retry_after_ms >= 0 ? outcome->retry_after_ms : UNTOLD_HOLD_MS;
}

/* Nobody's context is longer: what is beyond it was not counted. Else one wrong number would keep
 * all from calling for days. */
static bool is_plausible(const struct provider_target *target, const struct chat_usage *usage)
{
    int64_t most = target->context_tokens > CONTEXT_MAX ? target->context_tokens : CONTEXT_MAX;

    return usage->input_tokens <= most && usage->output_tokens <= most;
}

/* What a call has cost. A provider that does not say, or says nonsense, and one that failed, has
 * read the request if it gave any reply; one that refused for its limits has not. */
static struct limit_cost cost_of(const struct gate_visit *visit, const struct gate_outcome *outcome)
{
    struct limit_cost cost = {.requests = 1};

    if (outcome->usage.input_tokens > 0 && is_plausible(visit->target, &outcome->usage)) {
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

static void settle(struct gate *gate, struct gate_visit *visit, const struct known *known,
                   const struct gate_outcome *outcome)
{
    const struct provider_limits *limits = outcome->limits;
    struct limit_settlement settlement = {
        .real = cost_of(visit, outcome),
        .call_ms = clock_ms() - visit->began_ms + 1,
        .hold_ms = hold_of(outcome),
        .left = {-1, -1, -1, -1},
    };

    if (known->said.of[LIMIT_REQUESTS_DAY] == 0)
        settlement.left[LIMIT_REQUESTS] = limits->requests_remaining;
    if (known->said.of[LIMIT_TOKENS_DAY] == 0)
        settlement.left[LIMIT_TOKENS] = limits->tokens_remaining;
    settlement.left[LIMIT_INPUT_TOKENS] = limits->input_tokens_remaining;
    settlement.left[LIMIT_OUTPUT_TOKENS] = limits->output_tokens_remaining;
    limits_settle(gate->limits, &visit->ask, &visit->grant, &settlement);
    visit->taken = false;
}

/* Whether this key is left out from now on. */
static bool put_out(struct known *known, const struct gate_visit *visit,
                    const struct gate_outcome *outcome)
{
    int64_t for_ms;

    if (visit->target->keys_count < 2 ||
        (outcome->failure != PROVIDER_AUTH && outcome->failure != PROVIDER_QUOTA))
        return false;
    for_ms = known_put_out(known, outcome->failure == PROVIDER_AUTH);
    log_warn("a key of a provider is left out for a while",
             LOG_STR("key", known->name + strlen(KNOWN_PREFIX)),
             LOG_STR("class", provider_failure_name(outcome->failure)), LOG_INT("for_ms", for_ms));
    return true;
}

static bool has_other_key(struct gate *gate, const struct provider_target *target)
{
    char name[KNOWN_NAME_SIZE];

    for (size_t i = 0; i < target->keys_count; i++)
        if (known_of_key(gate, target, i, name)->out_until_ms <= clock_ms())
            return true;
    return false;
}

bool gate_leave(struct gate *gate, struct gate_visit *visit, const struct gate_outcome *outcome)
{
    struct known *known = known_of(&gate->known, visit->name);
    bool limited = outcome->failure == PROVIDER_RATE_LIMITED;
    bool out = put_out(known, visit, outcome);

    known_learn_limits(known, outcome->limits);
    if (limited)
        known->watched_until_ms = clock_ms() + WATCH_MS;
    if (outcome->failure == PROVIDER_OK)
        known->put_out = 0;
    if (visit->taken)
        settle(gate, visit, known, outcome);
    else if (limited)
        limits_hold(gate->limits, text_of(visit->name), hold_of(outcome));
    known = model_of_visit(gate, visit);
    if (outcome->failure == PROVIDER_OK && is_plausible(visit->target, &outcome->usage))
        known_learn_answer(known, outcome->usage.output_tokens);
    health_learn(&gate->known, gate->redis, known, outcome->failure);
    return (limited && visit->target->keys_count > 1) ||
           (out && has_other_key(gate, visit->target));
}

void gate_give_back(struct gate *gate, struct gate_visit *visit)
{
    const struct limit_settlement nothing = {.left = {-1, -1, -1, -1}};

    if (visit->taken)
        limits_settle(gate->limits, &visit->ask, &visit->grant, &nothing);
    visit->taken = false;
    forgo_trial(gate, visit);
}
