#pragma once
/* What the tries of one step share, while a model is asked (stage_think). */

#include "providers/context/context.h"
#include "providers/models/registry.h"
#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "worker/run/task/ending.h"
#include "worker/run/task/model_chain.h"

struct chat_request;
struct gate_call;
struct gate_visit;
struct error;
struct run_task;

struct thinking {
    struct model_chain chain;
    struct provider_registry *registry; /* held, as the target borrows from it */
    struct provider_target target;      /* the model whose turn it is */
    bool resolved;                      /* the target is that model */
    const char *key;
    struct context_fit fit;               /* how much of the conversation is sent */
    struct provider_failure_info failure; /* of the last try */
    bool other_key;     /* the failure is this key's: the same call may be made with another */
    bool held;          /* the failure is of no call: its provider is left alone for a while */
    size_t keys_failed; /* of the model whose turn it is, in a row */
    bool whole;         /* its provider knows nothing of what it had kept: it is sent all */
    struct uuid reply;  /* the id of what it is about to say */
    bool replied;
    struct buf
        instructions; /* with what the run has noted of its work; empty: those of the setup */
};

/* What the run has noted of its work in the thread (shared/agent/plan.h) goes behind its
 * instructions, as it is now. For a run that has tools for that. Returns RUN_GO_ON, or as stages
 * do. */
SUSPENDS MUSTCHECK int thinking_recall(struct run_task *task, struct thinking *thinking,
                                       struct error *err);

/* What the model of thinking->target is asked. It borrows from the task, whose listener it sets. */
void thinking_fill(struct run_task *task, const struct thinking *thinking,
                   struct chat_request *out);

/* Asks the model of thinking->target once, when its limits and the budgets allow it; those who
 * listen hear the reply under an id of its own. Returns RUN_GO_ON, with thinking->replied or to be
 * tried again; how the run ends, or waits; or an error. */
SUSPENDS MUSTCHECK int thinking_ask(struct run_task *task, struct thinking *thinking,
                                    struct error *err);

/* Pieces of that, for calls beside the run's own (aside.h). A call comes as thinking_gate_call says
 * to the gate, is made, with the reply in task->reply, and leaves as provider_call returned.
 * thinking_leave_gate returns what gate_leave does. */
struct gate_call thinking_gate_call(const struct run_task *task,
                                    const struct provider_target *target,
                                    const struct chat_request *request);
SUSPENDS MUSTCHECK int thinking_call(struct run_task *task, struct thinking *thinking,
                                     struct chat_request *request, struct error *err);
bool thinking_leave_gate(struct run_task *task, struct gate_visit *visit, int r,
                         const struct provider_failure_info *failure);

/* As thinking_call, for a run's own calls: where its provider has kept the conversation it is sent
 * what is new, and all of it once more at once where it has not (providers/native/native_state.h).
 */
SUSPENDS MUSTCHECK int thinking_call_kept(struct run_task *task, struct thinking *thinking,
                                          struct chat_request *request, struct error *err);

/* A call failed as thinking->failure says: it is another model's turn, or the retry policy decides,
 * and sleeps when that is the decision. Returns RUN_GO_ON to call again, or as stages do. */
SUSPENDS MUSTCHECK int thinking_failed(struct run_task *task, struct thinking *thinking,
                                       struct error *err);

/* The model can't be asked at all: it is not configured any more, or the conversation can't be said
 * in its API. That is no reason to fail while there are others. Returns as stages do. */
MUSTCHECK int thinking_not_asked(struct run_task *task, struct thinking *thinking,
                                 const struct error *why);

/* The gate does not let a call through for wait_ms: as one that failed, which it would, where its
 * provider is shut; or, where only limits are in the way, as one that waits for its turn. Returns
 * as stages do. */
SUSPENDS MUSTCHECK int thinking_held_back(struct run_task *task, struct thinking *thinking,
                                          bool shut, int64_t wait_ms, struct error *err);
