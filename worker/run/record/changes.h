#pragma once
/* What one write of a run carries: its new messages, calls and steps as the rows that the store
 * takes (run_leases.h). Pure: nothing here waits, or knows a database.
 *
 * The texts of the rows live in the changes or are borrowed; free them after the write. What does
 * not fit makes the changes `failed` for good, and whoever writes them checks that once.
 */

#include "providers/provider.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/store/leases/run_leases.h"
#include "worker/run/record/shapes.h"
#include "worker/run/task/conversation.h"
#include "worker/run/task/ledger.h"
#include "worker/run/task/meter.h"
#include "worker/run/task/reply_origin.h"

/* Where the run stands before the write. */
struct changes_base {
    const struct model_usage *usage; /* since the last write; the meter's */
    size_t usage_count;
    int iterations;
    int64_t first_token_ms;
    int errors; /* counted since then; negative where earlier ones were overcome */
    int64_t next_message_seq;
    int64_t next_step_seq;
};

struct changes_base changes_base_of(const struct meter *meter,
                                    const struct conversation *conversation,
                                    const struct ledger *ledger);

struct changes {
    struct arena arena;
    struct changes_base base;
    struct run_changes rows; /* for the store; points into what follows */
    struct run_message *messages;
    size_t message_room;
    struct run_step_write steps[2];
    struct run_call *calls;
    bool failed;
};

/* With room for a message and `results` more. */
struct changes *changes_new(const struct changes_base *base, size_t results);
void changes_freep(struct changes **changes);

/* The assistant's message with its calls, and the step of these, which is returned. */
const struct run_step_write *changes_add_reply(struct changes *changes,
                                               const struct chat_reply *reply,
                                               const struct reply_origin *origin,
                                               const struct ledger *ledger,
                                               enum step_status status);

/* The final message, and its step. Returns its id; zero: failed. */
struct uuid changes_add_answer(struct changes *changes, const struct chat_reply *reply,
                               const struct reply_origin *origin);

/* The step in progress, with what came of its calls so far. */
void changes_update_step(struct changes *changes, const struct ledger *ledger,
                         enum step_status status);

/* The rows of the step's calls that are not recorded with their results: all of them, or those that
 * ledger_is_unrecorded. */
void changes_add_calls(struct changes *changes, const struct ledger *ledger, bool effects_only);

/* A message for each call of the step that has a result. */
void changes_add_results(struct changes *changes, const struct ledger *ledger);

/* What the client is to do; lives in the changes. TEXT_NONE: nothing. */
struct text changes_required_action(struct changes *changes, const struct ledger *ledger,
                                    const struct shape_asking *asking);

/* The numbers that follow when the changes are written. */
int64_t changes_next_message_seq(const struct changes *changes);
int64_t changes_next_step_seq(const struct changes *changes);
