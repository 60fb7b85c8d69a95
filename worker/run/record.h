#pragma once
/* What a run writes: replies, tool calls and results as messages, steps and call rows, each step of
 * the loop as one checkpoint.
 *
 * Writing goes on through restarts of Postgres: what is unavailable or ambiguous is sent again,
 * with capped backoff, until it is known to be written or the lease is lost.
 */

#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/store/leases/run_leases.h"
#include "worker/run/run.h"
#include "worker/tools/tool.h"

/* One call of a reply, with what came of it. */
struct tool_work {
    const struct tool *tool; /* NULL: there is none of that name */
    struct text call_id;
    struct text name;
    struct text arguments;
    struct text said; /* as of chat_tool_call */
    int64_t call_no;
    enum call_class class;
    enum call_state state;
    enum wait_kind kind; /* who else settles it; WAIT_NONE: the worker executes it */
    int64_t due_in_ms;   /* of one with a kind */
    struct text result;
    bool is_error;
    bool recorded; /* with its result */
};

/* Each returns RUN_GO_ON when written, RUN_DROP, RUN_FINISH (the run is to end: cancelled, or this
 * row can't be written), or -E_CANCELED. */

/* The assistant's message with its calls and, with `with_results`, the results too. */
SUSPENDS MUSTCHECK int record_calls(struct run_task *task, const struct chat_reply *reply,
                                    const struct tool_work *work, bool with_results,
                                    struct error *err);

/* Whether it had an effect and its result is not recorded yet. */
bool record_is_due(const struct tool_work *work);

/* The results of those, while other calls of the step still run. */
SUSPENDS MUSTCHECK int record_done(struct run_task *task, struct tool_work *work, size_t count,
                                   struct error *err);

/* The results of calls whose intents were recorded before. */
SUSPENDS MUSTCHECK int record_results(struct run_task *task, const struct tool_work *work,
                                      size_t count, struct error *err);

/* What the server did of a step whose other calls the client executes, and the run parked until it
 * has. `reply` is given when the step is not recorded yet. Returns RUN_PARKED instead of RUN_GO_ON.
 */
SUSPENDS MUSTCHECK int record_park(struct run_task *task, const struct chat_reply *reply,
                                   const struct tool_work *work, size_t count, struct error *err);

/* The last write, with the final message when `reply` is given. Returns 0 written or dropped. */
SUSPENDS int record_ending(struct run_task *task, const struct chat_reply *reply);

/* Gives the run back. Returns 0 written or dropped. */
SUSPENDS int record_hand_back(struct run_task *task);
