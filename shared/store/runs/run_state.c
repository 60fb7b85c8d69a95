/* The states of a run
 *
 * One table of moves. A new state needs: its name here, its rows here and in a migration
 * (run_transitions, and the domain run_status), and the statements that make the moves.
 */

#include "shared/store/runs/run_state.h"

const char *const run_status_names[RUN_STATUS_COUNT + 1] = {
    [RUN_QUEUED] = "queued",
    [RUN_IN_PROGRESS] = "in_progress",
    [RUN_REQUIRES_ACTION] = "requires_action",
    [RUN_CANCELLING] = "cancelling",
    [RUN_COMPLETED] = "completed",
    [RUN_FAILED] = "failed",
    [RUN_INCOMPLETE] = "incomplete",
    [RUN_CANCELLED] = "cancelled",
    [RUN_EXPIRED] = "expired",
};

#define BIT(status) (1u << (status))

#define TERMINAL                                                                                   \
    (BIT(RUN_COMPLETED) | BIT(RUN_FAILED) | BIT(RUN_INCOMPLETE) | BIT(RUN_CANCELLED) |             \
     BIT(RUN_EXPIRED))

/* For each state the set of states that may follow. */
static const unsigned followers[RUN_STATUS_COUNT] = {
    [RUN_QUEUED] = BIT(RUN_IN_PROGRESS) | BIT(RUN_CANCELLED) | BIT(RUN_EXPIRED) | BIT(RUN_FAILED),
    [RUN_IN_PROGRESS] = BIT(RUN_COMPLETED) | BIT(RUN_FAILED) | BIT(RUN_INCOMPLETE) |
                        BIT(RUN_EXPIRED) | BIT(RUN_CANCELLING) | BIT(RUN_REQUIRES_ACTION) |
                        BIT(RUN_QUEUED),
    [RUN_REQUIRES_ACTION] =
        BIT(RUN_QUEUED) | BIT(RUN_CANCELLING) | BIT(RUN_CANCELLED) | BIT(RUN_EXPIRED),
    [RUN_CANCELLING] = BIT(RUN_CANCELLED) | BIT(RUN_FAILED) | BIT(RUN_EXPIRED),
    [RUN_FAILED] = BIT(RUN_QUEUED),
    [RUN_EXPIRED] = BIT(RUN_QUEUED),
};

const char *run_status_name(enum run_status status)
{
    ASSERT((unsigned)status < RUN_STATUS_COUNT);
    return run_status_names[status];
}

bool run_status_parse(struct text word, enum run_status *out)
{
    for (unsigned i = 0; i < RUN_STATUS_COUNT; i++) {
        if (text_is(word, run_status_names[i])) {
            *out = (enum run_status)i;
            return true;
        }
    }
    return false;
}

bool run_status_terminal(enum run_status status)
{
    ASSERT((unsigned)status < RUN_STATUS_COUNT);
    return (TERMINAL & BIT(status)) != 0;
}

bool run_transition_allowed(enum run_status from, enum run_status to)
{
    ASSERT((unsigned)from < RUN_STATUS_COUNT);
    ASSERT((unsigned)to < RUN_STATUS_COUNT);
    return (followers[from] & BIT(to)) != 0;
}
