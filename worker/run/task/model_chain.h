#pragma once
/* The models that are asked for one step: the run's own, then its fallbacks, in this order. When
 * one can't answer the next one is asked at once. When none could it is the run's own model's turn
 * again, and the retry policy (outcome.h) decides when. Pure.
 *
 *   goes on to the next     overloaded, timed_out, stream_cut, malformed_reply, empty_reply, quota,
 *                           context_overflow, bad_request, auth; and rate_limited for a minute or
 *                           more
 *   does not                rate_limited for less: limits are waited for, that is no failure;
 *                           no_room and reply_too_large, which are ours
 */

#include "providers/provider.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "worker/run/task/setup.h"

#define CHAIN_WAIT_MS      60000
#define CHAIN_FAILURES_MAX 32

struct chain_failure {
    struct text model;
    enum provider_failure failure;
    int64_t retry_after_ms;
    struct text message;
};

/* In zeros but for the first two it begins with the run's own model. Both outlive it; texts live in
 * the arena. */
struct model_chain {
    const struct run_setup *setup;
    struct arena *arena;
    size_t turn; /* 0: the run's own model; n: its fallback n */
    struct chain_failure *failures;
    size_t failures_count;
    size_t round_began; /* the first of this round among them */
};

/* The name of the model whose turn it is. */
struct text model_chain_model(const struct model_chain *chain);

/* Whether a failure of this class sends a run to its next model. */
bool model_chain_goes_on(enum provider_failure failure, int64_t retry_after_ms);

/* The model whose turn it is has failed. Returns true: it is the next one's turn. False: it is the
 * run's own model's turn again, once it is decided about *failure, which is the first of this round
 * that may pass by itself, else that of the run's own model; its message then tells of the others,
 * too. */
bool model_chain_failed(struct model_chain *chain, struct provider_failure_info *failure);

/* What was asked before the one whose turn it is, as the JSON array that a step shows
 * ([{"model","code","message"}]). TEXT_NONE: nothing was, or the arena is full. */
struct text model_chain_tried(const struct model_chain *chain);
