#pragma once
/* What a run waits for outside of itself: the kinds of open calls. Pure.
 *
 * Whatever a run waits for is a call in its ledger (tool_calls) that is open: a function of the
 * client, a time, an approval (answers/approvals.h). The write that opens the calls parks the run:
 * from then on it holds no worker, no slot and no lease, and runs.open_calls says how many are
 * open.
 *
 *                                                    +-- settled, others are open --+
 *                                                    v                              |
 *   in_progress -- park: calls become open --> parked: requires_action, or queued --+
 *        ^                                       |         |
 *        |                                       |         +-- cancel, expiry: the run ends, and
 *        |                                       |             its open calls become cancelled
 *        +-- claim -- queued and due <-----------+
 *                                        the last one is settled
 *
 * A parked run has wait_kind 'calls'. Where somebody must act its status is requires_action, which
 * stock SDKs know; else it is queued and due only at its expiry, so that no worker claims it.
 *
 * One statement settles calls, whoever asks for it (open_calls.h). It counts runs.open_calls down
 * under the lock of the run, so whatever happens at once, exactly one settlement is the last one,
 * and that one makes the run ready. The worker that claims it finds the results in the ledger and
 * adds them to the thread.
 *
 * A call with a time of its own has due_at. The reaper's sweep finds it by runs.wakes_at, at most
 * 1.2 s late. A call without one waits until the run expires (runs.expires_at). While it is parked
 * a run does not work, so that time counts for no timeout_seconds.
 *
 * To add a kind: its row in the table of waits.c, its part of SQL_WAIT_LAPSED if it has a time of
 * its own, and a statement with SQL_SETTLE for whoever else settles it.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

enum wait_kind {
    WAIT_NONE,     /* the worker executes the call */
    WAIT_CLIENT,   /* a function of the client: its output, by submit_tool_outputs */
    WAIT_TIME,     /* a time: the clock gives the result */
    WAIT_APPROVAL, /* somebody is to allow the call, which is made then: no result, unless it is
                    * denied or nobody says anything in time */
    WAIT_KIND_COUNT,
};

enum wait_settler { WAIT_SETTLED_BY_CLIENT, WAIT_SETTLED_BY_CLOCK, WAIT_SETTLED_BY_APPROVER };

struct wait {
    const char *name;  /* tool_calls.kind */
    bool needs_action; /* clients see requires_action; false: queued */
    enum wait_settler settler;
};

/* `kind` is not WAIT_NONE. */
const struct wait *wait_of(enum wait_kind kind);

/* WAIT_NONE for TEXT_NONE. False, output untouched, for an unknown word. */
MUSTCHECK bool wait_kind_parse(struct text name, enum wait_kind *out);

/* Inside the store: the result of a call with a time of its own, when that comes. */
/* clang-format off */
#define SQL_WAIT_LAPSED(kind) \
    "CASE " kind " WHEN 'time' THEN" \
    "    'It is now '" \
    "        || to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') || '.'" \
    " WHEN 'approval' THEN 'Error: nobody allowed this call in time. It was not made.'" \
    " ELSE 'Error: the time for this call is over.' END"
/* clang-format on */
