/* What calls may spend, and what they spent: see call_account.h */

#include "scheduler/gateway/call_account.h"

#include <inttypes.h>

#include "providers/embed.h"
#include "providers/models/cost.h"
#include "providers/spending/allowance.h"
#include "providers/wire/failure.h"
#include "scheduler/gateway/gateway.h"
#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/store/usage/usage.h"

/* Where others hold what is left they are asked for again after BUSY_MS. */
#define BUSY_MS 200

/* ---- before ---- */

/* Nobody who can't be told what he may spend spends anything. */
static int unknown(const struct call_account *account, int r,
                   struct provider_failure_info *out_failure, const struct error *err)
{
    if (r == -E_CANCELED)
        return r;
    log_warn("budgets can't be read, and a call is refused", LOG_STR("call", account->name),
             LOG_ERROR(err));
    provider_failure_set(out_failure, PROVIDER_OVERLOADED, NULL,
                         "what its budgets allow can't be read now");
    return ACCOUNT_REFUSED;
}

SUSPENDS static int open_account(struct call_account *account,
                                 struct provider_failure_info *out_failure, struct error *err)
{
    int r = budgets_find(account->gateway->pg, account->tenant, account->user, account->budgets,
                         &account->budgets_count, err);

    if (r < 0)
        return unknown(account, r, out_failure, err);
    spending_begin(&account->spending, &account->gateway->spendings, account->name,
                   account->budgets, account->budgets_count);
    account->open = true;
    return 0;
}

static int refuse(const struct spending_verdict *verdict, struct provider_failure_info *out_failure)
{
    if (verdict->resets_in_ms > 0)
        provider_failure_set(out_failure, PROVIDER_QUOTA, NULL,
                             "a budget is used up: the %s, which begins anew in %" PRId64 " s",
                             verdict->name, (verdict->resets_in_ms + 999) / 1000);
    else
        provider_failure_set(out_failure, PROVIDER_QUOTA, NULL, "a budget is used up: the %s",
                             verdict->name);
    return ACCOUNT_REFUSED;
}

static int fall_back(struct call_account *account, const struct account_ask *ask,
                     const struct spending_verdict *verdict,
                     struct provider_failure_info *out_failure)
{
    const char *model = arena_copy(account->arena, verdict->fallback_model);

    if (!model) {
        provider_failure_set(out_failure, PROVIDER_NO_ROOM, NULL, "there is no room for it");
        return ACCOUNT_REFUSED;
    }
    log_info("a budget is used up, another model is asked", LOG_STR("call", account->name),
             LOG_STR("budget", verdict->name), LOG_STR("model", ask->target->model),
             LOG_STR("next", model));
    account->instead = (struct text){model, verdict->fallback_model.len};
    spending_free(&account->spending, verdict->id);
    return ACCOUNT_OTHER_MODEL;
}

static int busy(const struct spending_verdict *verdict, struct provider_failure_info *out_failure)
{
    provider_failure_set(out_failure, PROVIDER_RATE_LIMITED, NULL,
                         "other calls hold what is left of the %s", verdict->name);
    out_failure->retry_after_ms = BUSY_MS;
    return ACCOUNT_BUSY;
}

static int follow(struct call_account *account, const struct account_ask *ask,
                  const struct spending_verdict *verdict, int64_t *out_answer_tokens,
                  struct provider_failure_info *out_failure)
{
    if (verdict->answer == BUDGET_BUSY)
        return busy(verdict, out_failure);
    if (verdict->answer == BUDGET_USED_UP)
        return verdict->at_limit == BUDGET_FALLBACK && !ask->texts
                   ? fall_back(account, ask, verdict, out_failure)
                   : refuse(verdict, out_failure);
    if (!ask->texts && verdict->answer_tokens < *out_answer_tokens)
        *out_answer_tokens = verdict->answer_tokens;
    return 0;
}

SUSPENDS static int ask_once(struct call_account *account, const struct account_ask *ask,
                             const struct allowance_call *what, int64_t *out_answer_tokens,
                             struct provider_failure_info *out_failure, struct error *err)
{
    static const struct budget_amount nothing;
    struct gateway *gateway = account->gateway;
    struct spending_verdict verdict;
    struct arena arena;
    int r;

    arena_init(&arena, 0);
    r = spending_ask(&account->spending, gateway->pg, gateway->redis, &arena, what, &nothing,
                     ask->for_ms, &verdict, err);
    r = r < 0 ? unknown(account, r, out_failure, err)
              : follow(account, ask, &verdict, out_answer_tokens, out_failure);
    arena_deinit(&arena);
    return r;
}

/* Returns 0 when it is time to ask again, ACCOUNT_BUSY when it is too late, or -E_CANCELED. */
SUSPENDS static int wait_for_others(struct gateway *gateway, int64_t until_ms, struct error *err)
{
    int64_t wait_ms = BUSY_MS / 2 + (int64_t)random_below(BUSY_MS);
    int r;

    if (gateway->ending || clock_ms() >= until_ms)
        return ACCOUNT_BUSY;
    gateway->waiting++;
    r = cond_wait(&gateway->ended, deadline_in(wait_ms), err);
    gateway->waiting--;
    return r == -E_CANCELED ? r : 0;
}

int call_account_ask(struct call_account *account, const struct account_ask *ask,
                     int64_t *out_answer_tokens, struct provider_failure_info *out_failure,
                     struct error *err)
{
    struct allowance_call what;
    int r = account->open ? 0 : open_account(account, out_failure, err);

    if (r != 0 || account->spending.count == 0)
        return r;
    what = allowance_of(ask->target, allowance_input(ask->request, ask->texts),
                        ask->request->max_completion_tokens, 0);
    if (ask->texts)
        what.answer_most = 0;
    else
        *out_answer_tokens = what.answer_most;
    do {
        r = ask_once(account, ask, &what, out_answer_tokens, out_failure, err);
        if (r != ACCOUNT_BUSY)
            return r;
        r = wait_for_others(account->gateway, ask->until_ms, err);
    } while (r == 0);
    return r;
}

/* ---- after ---- */

void call_account_charge(struct call_account *account, const struct provider_target *target,
                         const struct chat_usage *usage)
{
    struct gateway *gateway = account->gateway;
    const struct model_usage used = {
        .provider = text_of(target->provider_name),
        .model = text_of(target->model),
        .calls = 1,
        .used = {usage->input_tokens, usage->output_tokens, usage->cached_input_tokens,
                 usage->cache_write_tokens, usage->reasoning_tokens,
                 model_cost_micros(&target->prices, usage)},
    };
    const struct usage_owner owner = {account->tenant, account->user, account->budgets,
                                      account->budgets_count};
    const struct budget_amount amount = {
        {usage->input_tokens + usage->output_tokens, used.used.cost_micros}};
    struct error err;

    fiber_shield_enter();
    spending_settle(&account->spending, gateway->redis, &amount);
    if (usage_append(gateway->pg, &owner, &used, &err) < 0)
        log_error("what a call of a model used could not be stored", LOG_STR("call", account->name),
                  LOG_INT("cost_micros", used.used.cost_micros), LOG_ERROR(&err));
    else
        spending_stored(&account->spending, gateway->pg, gateway->redis);
    fiber_shield_leave();
}

void call_account_close(struct call_account *account)
{
    spending_give_back(&account->spending, account->gateway->redis);
}
