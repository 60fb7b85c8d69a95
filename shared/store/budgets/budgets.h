#pragma once
/* Budgets of what makes many runs: of a thread, a user, an agent, a tenant. Each has a period, with
 * which it begins anew: a day or a month of UTC, or none.
 *
 * A run counts on the budgets that there were when it was made (runs.budgets): the statement that
 * stores a step adds what it cost to each of them (leases/run_group.c), so what is stored is
 * counted, once. A call without a run counts on those that there were when it began
 * (usage/usage.h). What is spent is a sum of days, so a budget whose period changes knows what the
 * new one has seen. What may be spent is read each time that it is asked, so a change holds at
 * once. */

#include "shared/store/store.h"

#define RUN_BUDGETS_MAX 4 /* that one run counts on: one of each kind */

/* "thread", "user", "agent", "tenant"; ended by NULL. */
extern const char *const budget_kinds[];

/* "day", "month", "total"; ended by NULL. */
extern const char *const budget_periods[];

struct purse {
    struct uuid id;
    struct text kind;
    struct text subject; /* of a thread and an agent the id as a uuid; of a tenant empty */
    struct text period;
    int64_t max_tokens; /* 0: no limit */
    int64_t max_cost_micros;
    struct text at_limit;
    struct text fallback_model; /* TEXT_NONE: none */
    struct text begun;          /* the first day of the period: "2026-11-30", "-infinity" */
    int64_t spent_tokens;       /* since then */
    int64_t spent_cost_micros;
    int64_t resets_at;    /* unix seconds; 0: never */
    int64_t resets_in_ms; /* the same, from now */
    int64_t created_at;
    int64_t updated_at;
};

struct purse_list {
    struct purse *items;
    size_t count;
    bool has_more;
};

/* Makes the budget of draft->kind and subject, with draft->id, or replaces what it says; what was
 * spent stays. Runs that are parked by it look again. *out is what there is now. THREAD_MISSING or
 * AGENT_MISSING: it would be nobody's. BUDGETS_FULL: the tenant has `max` others. */
SUSPENDS MUSTCHECK int budgets_put(const struct store *store, const struct purse *draft,
                                   int64_t max, struct purse *out, struct error *err);

/* BUDGET_MISSING. */
SUSPENDS MUSTCHECK int budgets_get(const struct store *store, struct text kind, struct text subject,
                                   struct purse *out, struct error *err);

/* In order of creation; kind TEXT_NONE: all. */
SUSPENDS MUSTCHECK int budgets_list(const struct store *store, struct text kind,
                                    const struct page *page, struct purse_list *out,
                                    struct error *err);

/* Runs that were parked by it look again. BUDGET_MISSING. */
SUSPENDS MUSTCHECK int budgets_delete(const struct store *store, struct text kind,
                                      struct text subject, struct uuid *out, struct error *err);

/* Those that a call without a run counts on: of its tenant, and of the user, empty: nobody. Fills
 * out[RUN_BUDGETS_MAX]. */
SUSPENDS MUSTCHECK int budgets_find(struct pg *pg, struct uuid tenant, struct text user,
                                    struct uuid *out, size_t *out_count, struct error *err);

/* These (at most RUN_BUDGETS_MAX), but for those that are deleted. Texts live in the arena. */
SUSPENDS MUSTCHECK int budgets_look(struct pg *pg, struct arena *arena, const struct uuid *ids,
                                    size_t count, struct purse_list *out, struct error *err);

/* What a run was parked for: what its budgets were when they were looked at. */
struct budget_look {
    const struct uuid *ids;
    size_t count;
    size_t found;   /* how many of them there were */
    int64_t age_ms; /* how long ago */
};

/* A run that is parked looks again soon where one of these was changed or deleted since then. */
SUSPENDS MUSTCHECK int budgets_recheck(struct pg *pg, struct uuid run,
                                       const struct budget_look *seen, struct error *err);

/* Adds rows that workers have appended to the days, BUDGETS_FOLD_ROWS at once; those of budgets
 * that are no more are forgotten. *out_more: there may be more. *out_warned: those of them of which
 * BUDGETS_WARN_PERCENT or more are spent now, each once in a period; texts live in the arena. */
#define BUDGETS_FOLD_ROWS    20000
#define BUDGETS_WARN_PERCENT 80
SUSPENDS MUSTCHECK int budgets_fold(struct pg *pg, struct arena *arena,
                                    struct purse_list *out_warned, bool *out_more,
                                    struct error *err);
