#pragma once
/* A budget: how many tokens, or how much money, may be spent. Pure.
 *
 * Of what may be spent a part is spent, for good, and a part is held by calls that are under way:
 * each holds the most that it may come to, so whatever they say together they stay within the
 * budget. A call that finds enough takes the most that it may need. One that finds less than that
 * takes what is there, and its answer is bounded by it, but only where nothing is held; else it
 * waits for what the others leave. What is spent alone decides that a budget is used up: nobody is
 * turned away for what others hold and give back.
 *
 * How much a call holds is exact for its answer, which is bounded, and an estimate for what it
 * reads. So a budget is exceeded by no more than such estimates are wrong.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

enum budget_meter { BUDGET_TOKENS, BUDGET_COST, BUDGET_METERS }; /* cost in micro-dollars */

struct budget_amount {
    int64_t of[BUDGET_METERS];
};

/* What becomes of a run at the limit, from the mildest to the strictest. */
enum budget_at_limit { BUDGET_FALLBACK, BUDGET_PARK, BUDGET_END };

/* False, output untouched, for another word than "fallback", "park" and "end". */
MUSTCHECK bool budget_at_limit_parse(struct text word, enum budget_at_limit *out);

/* Of a call: without the least there is no use in making it. */
struct budget_need {
    struct budget_amount least;
    struct budget_amount most;
};

struct budget_state {
    struct budget_amount max; /* 0: no limit */
    struct budget_amount spent;
    struct budget_amount held; /* by others */
};

enum budget_answer {
    BUDGET_GRANTED, /* *out_granted: the most, or what is there */
    BUDGET_BUSY,    /* there may be more when those who hold some have given it back */
    BUDGET_USED_UP,
};

enum budget_answer budget_ask(const struct budget_state *state, const struct budget_need *need,
                              struct budget_amount *out_granted);
