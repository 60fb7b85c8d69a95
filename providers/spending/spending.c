/* Budgets that runs and calls share.
 *
 * What is spent is read from Postgres before each call, and once more when it is stored, before
 * what the call held is given back: so whoever is asked in between knows of it in one way or the
 * other. */

#include "providers/spending/spending.h"

#include <stdio.h>

#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"

#define STORING_MS 300000 /* from the end of a call until it is stored */

#define BOOK_MS 500

/* ---- the book ---- */

/* What is told in vain is not known there before, either: so nothing is told twice. */
static int book_round(void *arg, struct error *err)
{
    struct spending_book *book = arg;
    int64_t now_ms = clock_ms();
    int64_t epoch;
    int r = budget_holds_epoch(book->redis, &epoch, err);

    if (r < 0 || epoch == book->epoch)
        return r == -E_CANCELED ? r : 0;
    list_for_each (item, &book->holding) {
        const struct spending *spending = CONTAINER_OF(item, struct spending, link);

        if (spending->until_ms > now_ms)
            budget_holds_restore(book->redis, text_of(spending->holder), spending->holds,
                                 spending->holding, spending->until_ms - now_ms);
    }
    book->epoch = epoch;
    return 0;
}

void spending_book_start(struct spending_book *book, struct redis *redis)
{
    const struct service_options options = {
        .name = "budget holds",
        .round = book_round,
        .arg = book,
        .period_ms = BOOK_MS,
    };

    *book = (struct spending_book){.redis = redis};
    list_init(&book->holding);
    service_start(&book->service, &options);
}

void spending_book_stop(struct spending_book *book)
{
    service_stop(&book->service);
}

/* Of its first `count` budgets it holds something, until then. */
static void set_holding(struct spending *spending, size_t count, int64_t for_ms)
{
    if (spending->holding == 0 && count > 0)
        list_add(&spending->book->holding, &spending->link);
    else if (spending->holding > 0 && count == 0)
        list_remove(&spending->link);
    spending->holding = count;
    spending->until_ms = clock_ms() + for_ms;
}

/* ---- one who spends ---- */

void spending_begin(struct spending *spending, struct spending_book *book, const char *holder,
                    const struct uuid *budgets, size_t count)
{
    *spending = (struct spending){.book = book, .count = count};
    list_init(&spending->link);
    for (size_t i = 0; i < count; i++)
        spending->ids[i] = budgets[i];
    (void)snprintf(spending->holder, sizeof(spending->holder), "%s", holder);
}

void spending_end(struct spending *spending)
{
    if (spending->holding > 0)
        set_holding(spending, 0, 0);
}

static const char *name_of(struct text kind)
{
    static const char *const names[][2] = {{"thread", "thread_budget"},
                                           {"user", "user_budget"},
                                           {"agent", "agent_budget"},
                                           {"tenant", "tenant_budget"}};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (text_is(kind, names[i][0]))
            return names[i][1];
    return "budget";
}

static enum budget_at_limit limit_of(const struct purse *purse)
{
    enum budget_at_limit at_limit = BUDGET_END;

    (void)!budget_at_limit_parse(purse->at_limit, &at_limit);
    return at_limit;
}

static struct budget_amount sum(const struct budget_amount *a, const struct budget_amount *b)
{
    struct budget_amount sum;

    for (enum budget_meter i = 0; i < BUDGET_METERS; i++)
        sum.of[i] = a->of[i] + b->of[i];
    return sum;
}

static void fill_hold(const struct purse *purse, const struct allowance_call *call,
                      const struct budget_amount *unsaved, struct budget_hold *out)
{
    struct budget_need need = allowance_need(call, limit_of(purse));
    char id[UUID_TEXT_SIZE];

    *out = (struct budget_hold){
        .max.of = {purse->max_tokens, purse->max_cost_micros},
        .spent.of = {purse->spent_tokens, purse->spent_cost_micros},
        .need = {sum(&need.least, unsaved), sum(&need.most, unsaved)},
    };
    uuid_format(purse->id, id);
    (void)snprintf(out->key, sizeof(out->key), "penstock:budget:%s", id);
    text_excerpt(purse->begun, out->period, sizeof(out->period));
}

static struct spending_verdict verdict_of(const struct purse *purse, enum budget_answer answer)
{
    return (struct spending_verdict){
        .answer = answer,
        .at_limit = limit_of(purse),
        .id = purse->id,
        .name = name_of(purse->kind),
        .fallback_model = purse->fallback_model,
        .resets_in_ms = purse->resets_in_ms,
    };
}

/* Of what the holds have been answered: the worst, and of several that are used up the strictest;
 * where all is granted, the one that grants the shortest answer. */
static void judge(const struct spending *spending, const struct purse_list *purses,
                  const struct allowance_call *call, const struct budget_amount *unsaved,
                  struct spending_verdict *out)
{
    *out = (struct spending_verdict){.answer_tokens = INT64_MAX};
    for (size_t i = 0; i < purses->count; i++) {
        const struct budget_hold *hold = &spending->holds[i];
        struct spending_verdict one = verdict_of(&purses->items[i], hold->answer);
        const struct budget_amount granted = {
            {hold->granted.of[BUDGET_TOKENS] - unsaved->of[BUDGET_TOKENS],
             hold->granted.of[BUDGET_COST] - unsaved->of[BUDGET_COST]}};

        one.answer_tokens = allowance_answer(call, &granted);
        if (one.answer > out->answer || !out->name ||
            (one.answer == out->answer &&
             (one.answer == BUDGET_USED_UP ? one.at_limit > out->at_limit
                                           : one.answer_tokens < out->answer_tokens)))
            *out = one;
    }
}

/* What is spent alone says that a budget is used up. */
static bool is_used_up(struct spending *spending, size_t count)
{
    bool used_up = false;

    for (size_t i = 0; i < count; i++) {
        struct budget_hold *hold = &spending->holds[i];
        const struct budget_state state = {.max = hold->max, .spent = hold->spent};

        hold->answer = budget_ask(&state, &hold->need, &hold->granted);
        used_up |= hold->answer == BUDGET_USED_UP;
    }
    return used_up;
}

int spending_ask(struct spending *spending, struct pg *pg, struct redis *redis, struct arena *arena,
                 const struct allowance_call *call, const struct budget_amount *unsaved,
                 int64_t for_ms, struct spending_verdict *out, struct error *err)
{
    int64_t asked_ms = clock_ms();
    struct purse_list purses;
    int r = budgets_look(pg, arena, spending->ids, spending->count, &purses, err);

    if (r < 0)
        return r;
    spending_end(spending);
    spending->found = purses.count;
    spending->asked_ms = asked_ms;
    for (size_t i = 0; i < purses.count; i++) {
        spending->held[i] = purses.items[i].id;
        fill_hold(&purses.items[i], call, unsaved, &spending->holds[i]);
    }
    if (purses.count > 0 && !is_used_up(spending, purses.count)) {
        r = budget_holds_take(redis, text_of(spending->holder), spending->holds, purses.count,
                              for_ms, err);
        if (r == -E_CANCELED) {
            /* Nobody knows whether it was taken. What is posted comes behind it. */
            budget_holds_release(redis, text_of(spending->holder), spending->holds, purses.count);
            return r;
        }
        if (r < 0)
            log_debug("nobody knows what other calls hold of budgets", LOG_ERROR(err));
    }
    judge(spending, &purses, call, unsaved, out);
    if (purses.count > 0 && out->answer == BUDGET_GRANTED)
        set_holding(spending, purses.count, for_ms);
    return 0;
}

void spending_free(struct spending *spending, struct uuid budget)
{
    size_t kept = 0;

    for (size_t i = 0; i < spending->count; i++)
        if (!uuid_equal(spending->ids[i], budget))
            spending->ids[kept++] = spending->ids[i];
    spending->count = kept;
}

void spending_settle(struct spending *spending, struct redis *redis,
                     const struct budget_amount *unsaved)
{
    if (spending->holding == 0)
        return;
    for (size_t i = 0; i < spending->holding; i++)
        spending->holds[i].granted = *unsaved;
    set_holding(spending, spending->holding, STORING_MS);
    budget_holds_settle(redis, text_of(spending->holder), spending->holds, spending->holding,
                        unsaved, STORING_MS);
}

static void learn(struct spending *spending, const struct purse_list *purses)
{
    for (size_t i = 0; i < spending->holding; i++)
        for (size_t j = 0; j < purses->count; j++) {
            const struct purse *purse = &purses->items[j];
            struct budget_hold *hold = &spending->holds[i];

            if (!uuid_equal(spending->held[i], purse->id))
                continue;
            hold->spent = (struct budget_amount){{purse->spent_tokens, purse->spent_cost_micros}};
            text_excerpt(purse->begun, hold->period, sizeof(hold->period));
        }
}

void spending_stored(struct spending *spending, struct pg *pg, struct redis *redis)
{
    struct purse_list purses;
    struct arena arena;
    struct error err;

    if (spending->holding == 0)
        return;
    arena_init(&arena, 0);
    if (budgets_look(pg, &arena, spending->held, spending->holding, &purses, &err) == 0)
        learn(spending, &purses);
    else
        log_debug("what is spent can't be read", LOG_ERROR(&err));
    budget_holds_release(redis, text_of(spending->holder), spending->holds, spending->holding);
    set_holding(spending, 0, 0);
    arena_deinit(&arena);
}

void spending_give_back(struct spending *spending, struct redis *redis)
{
    if (spending->holding > 0)
        budget_holds_release(redis, text_of(spending->holder), spending->holds, spending->holding);
    spending_end(spending);
}
