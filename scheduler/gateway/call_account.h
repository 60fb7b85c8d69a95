#pragma once
/* What a call without a run may spend, and what it spent: budgets of the tenant, and of the user
 * that it names, by the rules that hold for runs (providers/spending). Two things are different. A
 * call can't be parked, so where a budget would do that it is refused. And vectors of another model
 * than the one that was asked for would be wrong, so they have no fallback.
 */

#include "providers/provider.h"
#include "providers/spending/spending.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"

struct arena;
struct embedding_request;
struct error;
struct gateway;

struct call_account {
    /* The caller's. */
    struct gateway *gateway;
    struct arena *arena;
    struct uuid tenant;
    struct text user; /* empty: nobody */
    const char *name; /* of the call */

    /* Its own. */
    struct uuid budgets[RUN_BUDGETS_MAX]; /* that it counts on: those that there were at first */
    size_t budgets_count;
    struct spending spending;
    struct text instead; /* of ACCOUNT_OTHER_MODEL */
    bool open;           /* its budgets are known */
};

/* A model that is to be asked. */
struct account_ask {
    const struct provider_target *target;
    const struct chat_request *request;
    const struct embedding_request *texts; /* NULL: a conversation */
    int64_t until_ms;                      /* so long it waits for what others hold */
    int64_t for_ms; /* from now on: how long the call may take. What it holds is given up then,
                     * should this process be gone */
};

enum {
    ACCOUNT_OTHER_MODEL = 16, /* account->instead is to be asked, and no other one */
    ACCOUNT_REFUSED,          /* nobody is to be asked; *out_failure says why */
    ACCOUNT_BUSY,             /* others hold what is left; the same */
};

/* Holds what the call may come to, and says how long its answer may be; *out_answer_tokens stays
 * where nothing bounds it. Returns 0, one of these, or -E_CANCELED. */
SUSPENDS MUSTCHECK int call_account_ask(struct call_account *account, const struct account_ask *ask,
                                        int64_t *out_answer_tokens,
                                        struct provider_failure_info *out_failure,
                                        struct error *err);

/* Stores what a model used, in the hours of the tenant and on the budgets; then nothing is held any
 * more. Also where the call was cancelled. */
SUSPENDS void call_account_charge(struct call_account *account,
                                  const struct provider_target *target,
                                  const struct chat_usage *usage);

/* Gives back what is held. Waits for nothing. */
void call_account_close(struct call_account *account);
