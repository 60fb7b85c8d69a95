/* A provider is asked for vectors.
 *
 * Whoever wants them has words to go on with, so nothing here is patient: one try, and one more
 * where the first one met what passes. What a budget or a limit has in the way counts as a provider
 * that is away. */

#include "providers/vectors/vectors_provider.h"

#include "providers/embed.h"
#include "providers/gate/gate.h"
#include "providers/models/cost.h"
#include "providers/spending/allowance.h"
#include "providers/spending/spending.h"
#include "providers/wire/failure.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/store/usage/usage.h"
#include "shared/store/vectors/vector_cache.h"

#define TRIES        2
#define TRY_AGAIN    16
#define TRY_AGAIN_MS 200
#define PRIORITY     1 /* as calls that nobody has said another one for */
#define HOLD_MORE_MS 1000

struct asking {
    struct making *making;
    struct embedding_request texts;
    struct chat_request weighed; /* the same, for who estimates tokens */
    struct uuid id;
    char name[ID_TEXT_SIZE];
    struct uuid budgets[RUN_BUDGETS_MAX];
    size_t budgets_count;
    struct spending spending;
    struct embedding_reply *reply;
    struct provider_failure_info failure;
    int64_t wait_ms; /* before the next try */
};

static int weigh(struct asking *asking, struct error *err)
{
    struct chat_message *messages =
        arena_calloc(&asking->making->scratch, asking->texts.count, sizeof(*messages));

    if (!messages)
        return vectors_no_room(err);
    for (size_t i = 0; i < asking->texts.count; i++)
        messages[i] = (struct chat_message){.role = CHAT_USER, .text = asking->texts.texts[i]};
    asking->weighed.messages = messages;
    asking->weighed.messages_count = asking->texts.count;
    return 0;
}

static int64_t left_ms(const struct asking *asking)
{
    return asking->making->ask->deadline_ms - clock_ms();
}

/* ---- budgets ---- */

SUSPENDS static int open_budgets(struct asking *asking, struct error *err)
{
    const struct vectors_means *means = asking->making->means;
    const struct vectors_ask *ask = asking->making->ask;
    struct text user = ask->user.ptr ? ask->user : TEXT("");
    int r =
        budgets_find(means->pg, ask->tenant, user, asking->budgets, &asking->budgets_count, err);

    if (r < 0)
        return r == -E_CANCELED ? r : VECTORS_AWAY;
    spending_begin(&asking->spending, means->spendings, asking->name, asking->budgets,
                   asking->budgets_count);
    return 0;
}

SUSPENDS static int pass_budgets(struct asking *asking, struct error *err)
{
    static const struct budget_amount nothing;
    struct making *making = asking->making;
    const struct vectors_means *means = making->means;
    struct allowance_call what;
    struct spending_verdict verdict;
    int r;

    if (asking->spending.count == 0)
        return 0;
    what = allowance_of(&making->target, allowance_input(&asking->weighed, &asking->texts), 0, 0);
    what.answer_most = 0;
    r = spending_ask(&asking->spending, means->pg, means->redis, &making->scratch, &what, &nothing,
                     left_ms(asking) + GATE_HOLD_MS + HOLD_MORE_MS, &verdict, err);
    if (r < 0)
        return r == -E_CANCELED ? r : VECTORS_AWAY;
    if (verdict.answer == BUDGET_GRANTED)
        return 0;
    return vectors_away(err, "the %s is used up, or held by others", verdict.name);
}

/* In whose name is kept what was used. */
SUSPENDS static struct text user_of(struct making *making)
{
    bool there = true;
    struct error ignored;

    if (!uuid_is_zero(making->ask->run) &&
        vector_cache_run(making->means->pg, making->ask->run, &there, &ignored) == 0)
        making->nameless = !there;
    return making->ask->user.ptr && !making->nameless ? making->ask->user : TEXT("");
}

/* As a call of the gateway is counted. */
SUSPENDS static void charge(struct asking *asking, const struct chat_usage *usage)
{
    struct making *making = asking->making;
    const struct vectors_means *means = making->means;
    const struct model_usage used = {
        .provider = text_of(making->target.provider_name),
        .model = text_of(making->target.model),
        .calls = 1,
        .used = {.prompt_tokens = usage->input_tokens,
                 .cost_micros = model_cost_micros(&making->target.prices, usage)},
    };
    struct usage_owner owner = {making->ask->tenant, TEXT(""), asking->budgets,
                                asking->budgets_count};
    const struct budget_amount amount = {{usage->input_tokens, used.used.cost_micros}};
    struct error err;

    fiber_shield_enter();
    spending_settle(&asking->spending, means->redis, &amount);
    owner.user = user_of(making);
    if (usage_append(means->pg, &owner, &used, &err) < 0)
        log_error("what vectors used could not be stored", LOG_STR("call", asking->name),
                  LOG_INT("cost_micros", used.used.cost_micros), LOG_ERROR(&err));
    else
        spending_stored(&asking->spending, means->pg, means->redis);
    fiber_shield_leave();
}

/* ---- one try ---- */

/* Returns 0: it may be made; TRY_AGAIN after asking->wait_ms; VECTORS_AWAY or -E_CANCELED. */
SUSPENDS static int pass_gate(struct asking *asking, struct gate_visit *visit, struct error *err)
{
    struct making *making = asking->making;
    const struct gate_call call = {
        .target = &making->target,
        .request = &asking->weighed,
        .run = asking->id,
        .priority = PRIORITY,
        .tenant = making->ask->tenant,
        .tenant_requests_per_minute = making->ask->requests_per_minute,
        .tenant_tokens_per_minute = making->ask->tokens_per_minute,
        .call_ms = making->target.total_timeout_ms,
    };
    int64_t wait_ms;
    int r = gate_enter(making->means->gate, &call, visit, &wait_ms, err);

    if (r == GATE_LATER && wait_ms < left_ms(asking)) {
        asking->wait_ms = wait_ms;
        return TRY_AGAIN;
    }
    if (r == GATE_LATER) {
        gate_quit(making->means->gate, &call);
        return vectors_away(err, "the limits of %s let no call through now",
                            making->target.provider_name);
    }
    if (r == GATE_SHUT)
        return vectors_away(err, "%s has failed again and again, and is left alone for a while",
                            making->target.provider_name);
    return r;
}

static bool passes(enum provider_failure failure)
{
    return failure == PROVIDER_RATE_LIMITED || failure == PROVIDER_OVERLOADED ||
           failure == PROVIDER_TIMED_OUT || failure == PROVIDER_STREAM_CUT ||
           failure == PROVIDER_MALFORMED_REPLY || failure == PROVIDER_EMPTY_REPLY;
}

/* What came of it, to the gate and to the accounts. */
SUSPENDS static int take_reply(struct asking *asking, int r, struct gate_visit *visit,
                               struct error *err)
{
    const struct provider_failure_info *failure = &asking->failure;
    const struct gate_outcome answered = {.limits = &asking->reply->limits,
                                          .usage = asking->reply->usage};
    const struct gate_outcome failed = {.failure = failure->failure,
                                        .status = failure->status,
                                        .retry_after_ms = failure->retry_after_ms,
                                        .usage = failure->usage,
                                        .limits = &failure->limits};
    struct gate *gate = asking->making->means->gate;
    bool other_key;

    if (r != 0 && r != PROVIDER_FAILED) {
        gate_give_back(gate, visit);
        return r == -E_CANCELED ? r : VECTORS_AWAY;
    }
    other_key = gate_leave(gate, visit, r == 0 ? &answered : &failed);
    if (r == 0) {
        charge(asking, &asking->reply->usage);
        return 0;
    }
    if (failure->usage.input_tokens > 0)
        charge(asking, &failure->usage);
    (void)error_set(err, E_UNAVAILABLE, "%s", failure->message);
    asking->wait_ms = other_key ? 0 : TRY_AGAIN_MS / 2 + (int64_t)random_below(TRY_AGAIN_MS);
    if (!other_key && failure->retry_after_ms > asking->wait_ms)
        asking->wait_ms = failure->retry_after_ms;
    return other_key || passes(failure->failure) ? TRY_AGAIN : VECTORS_AWAY;
}

/* Returns 0, TRY_AGAIN after asking->wait_ms with *err, VECTORS_AWAY or -E_CANCELED. */
SUSPENDS static int try_once(struct asking *asking, struct error *err)
{
    struct making *making = asking->making;
    struct gate_visit visit;
    int r = pass_budgets(asking, err);

    if (r == 0)
        r = pass_gate(asking, &visit, err);
    if (r != 0)
        return r;
    provider_target_use(&making->target, visit.key);
    *asking->reply = (struct embedding_reply){.arena = &making->scratch};
    r = provider_embed(making->means->http, &making->target, &asking->texts, asking->reply,
                       &asking->failure, err);
    return take_reply(asking, r, &visit, err);
}

SUSPENDS static int try_all(struct asking *asking, struct error *err)
{
    int r = TRY_AGAIN;

    for (int i = 0; r == TRY_AGAIN && i < TRIES; i++) {
        if (i > 0 && asking->wait_ms >= left_ms(asking))
            break;
        r = i > 0 ? fiber_sleep(asking->wait_ms, err) : 0;
        if (r == 0)
            r = try_once(asking, err);
    }
    return r == TRY_AGAIN ? VECTORS_AWAY : r;
}

int vectors_of_provider(struct making *making, const struct text *texts, size_t count,
                        struct embedding_reply *out, struct error *err)
{
    struct asking asking = {
        .making = making,
        .texts = {.texts = texts, .count = count, .deadline_ms = making->ask->deadline_ms},
        .id = uuid_new(),
        .reply = out,
    };
    int r;

    if (!making->means->gate)
        return vectors_away(err, "%s can't be asked from here", making->target.provider_name);
    id_format(ID_REQUEST, asking.id, asking.name);
    asking.texts.idempotency_key = text_of(asking.name);
    r = weigh(&asking, err);
    if (r == 0)
        r = open_budgets(&asking, err);
    if (r == 0) {
        r = try_all(&asking, err);
        spending_give_back(&asking.spending, making->means->redis);
        spending_end(&asking.spending);
    }
    return r;
}
