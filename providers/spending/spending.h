#pragma once
/* Budgets that a run, or a call without one, shares with others (store/budgets): what is spent
 * is read, what the next call may come to is held (limits/budget_holds.h), and given back when what
 * it came to is stored.
 *
 *   spending_ask ──► the call ──► spending_settle ──► what it used is stored ──► spending_stored
 *        └──────────────┴► spending_give_back: it was not made, or came to nothing
 */

#include "providers/spending/allowance.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/list.h"
#include "shared/fiber/service.h"
#include "shared/limits/budget_holds.h"
#include "shared/store/budgets/budgets.h"

struct arena;
struct error;
struct pg;
struct redis;

/* All that a process holds, so that a Redis that has forgotten it can be told again. Lifetime:
 * process. */
struct spending_book {
    struct redis *redis;
    struct list holding; /* of spending.link */
    int64_t epoch;       /* of Redis, as it was last */
    struct service service;
};

void spending_book_start(struct spending_book *book, struct redis *redis);
SUSPENDS void spending_book_stop(struct spending_book *book);

struct spending {
    struct spending_book *book;
    struct list link;                 /* while it holds something */
    struct uuid ids[RUN_BUDGETS_MAX]; /* that hold it back */
    size_t count;
    size_t found;                      /* of these, when they were looked at last */
    int64_t asked_ms;                  /* which was then */
    struct uuid held[RUN_BUDGETS_MAX]; /* of these, those of which it holds some */
    struct budget_hold holds[RUN_BUDGETS_MAX];
    size_t holding;
    int64_t until_ms; /* so long */
    char holder[ID_TEXT_SIZE];
};

/* `holder` is the id of the run or the call: what it holds stands under that name. The spending may
 * not be moved, and is to be ended. */
void spending_begin(struct spending *spending, struct spending_book *book, const char *holder,
                    const struct uuid *budgets, size_t count);

/* Nothing is told of it any more. What it still holds is given up in its time, or goes on with the
 * run in another worker. */
void spending_end(struct spending *spending);

/* What all of them say of a call. */
struct spending_verdict {
    enum budget_answer answer;
    enum budget_at_limit at_limit; /* of BUDGET_USED_UP: the strictest of those that are */
    struct uuid id;                /* its id; of BUDGET_GRANTED that of the one that grants least */
    const char *name;              /* "thread_budget", …, static */
    struct text fallback_model;    /* in the arena */
    int64_t resets_in_ms;          /* 0: never */
    int64_t answer_tokens;         /* of BUDGET_GRANTED */
};

/* `unsaved` is what was used and not stored. A call holds what it is granted for up to
 * for_ms. While Redis is away what is spent decides alone, and what is held is told when it is
 * back. Returns 0, or what
 * budgets_look does. */
SUSPENDS MUSTCHECK int spending_ask(struct spending *spending, struct pg *pg, struct redis *redis,
                                    struct arena *arena, const struct allowance_call *call,
                                    const struct budget_amount *unsaved, int64_t for_ms,
                                    struct spending_verdict *out, struct error *err);

/* This one holds it back no more. It is counted all the same. */
void spending_free(struct spending *spending, struct uuid budget);

/* The call is over: `unsaved` as above. Waits for nothing. */
void spending_settle(struct spending *spending, struct redis *redis,
                     const struct budget_amount *unsaved);

/* What was used is stored. Where that can't be read now, others may be granted as much more. */
SUSPENDS void spending_stored(struct spending *spending, struct pg *pg, struct redis *redis);

/* Of what it holds nothing will be used. Waits for nothing. */
void spending_give_back(struct spending *spending, struct redis *redis);
