#pragma once
/* Approvals: what becomes of a call that somebody has to allow before it is made.
 *
 * A call that needs one is open, of the kind 'approval' (waits.h), while its run is parked.
 * Allowed, it is CALL_APPROVED, without a result: a worker makes it when the run goes on, with the
 * arguments that were allowed. Denied, or not decided in time, it has a result that says so, and
 * the model sees that.
 *
 * What was decided stands in tool_calls.approval and in the run's step: {"decision": "approved",
 * "denied" or "expired", "at", "by" (an API key), "user", "note", "arguments_before"}. A call is
 * decided once; whoever comes later is told of it.
 */

#include "shared/store/runs/runs.h"

#define APPROVAL_NOTE_MAX 2000 /* characters */

struct approval {
    struct uuid by; /* the API key that it came with */
    bool allows;
    struct text user;      /* who decided, as the key's holder says; TEXT_NONE: he does not */
    struct text note;      /* TEXT_NONE: none */
    struct text arguments; /* a JSON object, in place of the model's; TEXT_NONE: these stay */
};

/* Decides of a call of the run (`thread` zero: whatever its thread), which waits: the run is queued
 * when nothing is left that it waits for.
 *
 * RUN_MISSING. Of the others *out is the run, filled too: APPROVAL_GIVEN: the same was said before,
 * by the same key; APPROVAL_DECIDED: something else was, or by another; APPROVAL_LATE: the time for
 * it is over; APPROVAL_EARLY: the run does not wait yet; APPROVAL_UNWANTED: the call needs none
 * (any more: its run ended); APPROVAL_NO_CALL. */
SUSPENDS MUSTCHECK int approvals_decide(const struct store *store, struct uuid thread,
                                        struct uuid run, struct text call_id,
                                        const struct approval *approval, struct run *out,
                                        struct error *err);

/* Inside the store: as it is stored, but for what the database adds to it (the time, and the
 * arguments before); the state that it gives a call; and, of one that is denied, the result that
 * the model is shown. */
void approval_write(const struct approval *approval, struct buf *out);
const char *approval_state(const struct approval *approval);
void approval_write_result(const struct approval *approval, struct buf *out);

/* Inside the store: of a call `c`, with what approval_write wrote as `said` (jsonb) and arguments
 * in place as `arguments` (text): what is stored, and whether it is the same. */
/* clang-format off */
#define SQL_APPROVAL(said, arguments) \
    said " || jsonb_build_object('at', " SQL_SECONDS("now()") ")" \
    " || CASE WHEN " arguments " <> c.arguments" \
    "        THEN jsonb_build_object('arguments_before', c.arguments) ELSE '{}' END"
#define SQL_APPROVAL_IS(said, arguments) \
    "(c.approval - 'at' - 'arguments_before' = " said \
    " AND (" arguments " = c.arguments" \
    "     OR (" arguments " IS NULL AND NOT c.approval ? 'arguments_before')))"

/* The calls `c` of a run that waits, which may be decided still. */
#define SQL_IS_UNDECIDED \
    "c.state = 'open' AND c.kind = 'approval' AND (c.due_at IS NULL OR c.due_at > now())"
/* clang-format on */
