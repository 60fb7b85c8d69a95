#pragma once
/* What the client gives a run that waits for it (RUN_REQUIRES_ACTION): the outputs of the functions
 * that the model called. A call that needs an approval looks like one to stock clients, so it may
 * be decided here, too, by an output that says so and nothing else (approvals.h). */

#include "shared/store/answers/approvals.h"
#include "shared/store/runs/runs.h"

#define TOOL_OUTPUTS_MAX 128

struct tool_output {
    struct text call_id;
    struct text output;
    const struct approval *approval; /* what it says where the call needs one; NULL: nothing. The
                                      * arguments stay */
};

/* Gives the outputs of exactly the calls of the client that the run waits for, all or none, and
 * decides of as many calls that need an approval as are among them: they are settled
 * (open_calls.h), and the run is queued where nobody else has to act; due, too, when it waits for
 * nothing (out->open_calls is 0). Against a cancel, an expiry or another such request, the first
 * wins. Ids must differ.
 *
 * RUN_MISSING. Of the others *out is the run, filled too: OUTPUTS_GIVEN (by an earlier attempt,
 * exactly these), OUTPUTS_UNFIT (out->required_action tells what is waited for), OUTPUTS_UNWANTED.
 * -E_LIMIT: more than TOOL_OUTPUTS_MAX. */
SUSPENDS MUSTCHECK int tool_outputs_give(const struct store *store, struct uuid thread,
                                         struct uuid run, const struct tool_output *outputs,
                                         size_t count, struct run *out, struct error *err);
