#pragma once
/* What a run has used up, and whether it may go on: tokens, model calls, attempts. Pure. */

#include "providers/provider.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/store/leases/run_leases.h"

/* Of the whole run, all its attempts together; 0: no limit. */
struct run_budgets {
    int64_t max_prompt_tokens;
    int64_t max_completion_tokens;
    int64_t max_iterations;
    int64_t max_output_tokens; /* of one call */
};

struct meter {
    struct arena *arena;
    int64_t prompt_tokens; /* in all, this run */
    int64_t completion_tokens;
    int64_t cost_micros;
    struct model_usage *unsaved; /* since the last checkpoint, a row a model; in the arena */
    size_t unsaved_count;
    int iterations;     /* model calls answered, in all attempts of this run */
    int attempts;       /* counted failures of model calls since the last that succeeded */
    int attempts_told;  /* of them, what the run's row holds already */
    int limited;        /* rate limits of model calls since then, on this worker */
    int64_t bytes_left; /* that the thread, and its person, may still take */
    int64_t due_us;     /* clock_us when the run was due */
    int64_t
        first_token_ms; /* from then to the first token of a model; 0: none yet, or it is known */
    bool has_first_token;
};

/* Where the run stands, as its row says. A thread may hold thread_bytes. The arena outlives the
 * meter. */
void meter_begin(struct meter *meter, const struct run_claim *claim, int64_t thread_bytes,
                 struct arena *arena);

/* A model said something, at clock_us now_us. */
void meter_hear(struct meter *meter, int64_t now_us);

/* Whether the rows of a write fit into the thread; and that they are in it now. */
bool meter_fits(const struct meter *meter, const struct run_changes *changes);
void meter_add_bytes(struct meter *meter, const struct run_changes *changes);

/* Makes room to count calls of this model: needed before the others. Returns 0, or -E_LIMIT: the
 * arena is full. */
MUSTCHECK int meter_expect(struct meter *meter, const struct provider_target *target,
                           struct error *err);

/* Counts a call that was answered. Its usage is in form (reply_form.h), so no sum of a run
 * overflows. */
void meter_add_reply(struct meter *meter, const struct provider_target *target,
                     const struct chat_usage *usage);

/* The same of a call beside the run's own, which is no iteration of it. */
void meter_add_aside(struct meter *meter, const struct provider_target *target,
                     const struct chat_usage *usage);

/* The same of a call that failed; one that cost nothing is not counted. */
void meter_add_failure(struct meter *meter, const struct provider_target *target,
                       const struct chat_usage *usage);

/* What was used and is not stored yet. */
struct usage meter_unsaved(const struct meter *meter);

/* What was used is stored. */
void meter_saved(struct meter *meter);

/* What is left of the output budget; 0: no limit, negative: nothing. */
int64_t meter_output_left(const struct meter *meter, const struct run_budgets *budgets);

/* What a call may answer at most, of that and of what is left; 0: no limit. */
int64_t meter_output_of_call(const struct meter *meter, const struct run_budgets *budgets);

/* The budget that is used up, in the word that is a run's incomplete reason; NULL: none. */
const char *meter_used_up(const struct meter *meter, const struct run_budgets *budgets);
