#pragma once
/* The tool calls of a run: those of the step in progress, with what came of each, and the numbers
 * of the next ones. The same calls stand in Postgres (tool_calls); call_state.h draws their life.
 *
 * A step begins when the model asks for calls, or when an earlier attempt left some without a
 * result; it ends when all are recorded and told to the model, or the run is parked.
 */

#include "providers/provider.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/store/leases/run_leases.h"
#include "worker/tools/tools.h"

/* A call of the step. */
struct ledger_call {
    const struct tool *tool; /* NULL: there is none of that name */
    struct text call_id;
    struct text name;
    struct text arguments;
    struct text said; /* as of chat_tool_call */
    struct text key;  /* for whoever is called: the same in every attempt */
    int64_t call_no;
    enum call_class class;
    enum call_state state;
    enum wait_kind kind; /* who else settles it; WAIT_NONE: the worker executes it */
    int64_t due_in_ms;   /* of one with a kind: when its time comes, or CALL_NEVER_DUE */
    struct text result;
    struct text approval; /* what was decided (answers/approvals.h), JSON; TEXT_NONE: nothing */
    bool is_error;
    struct call_report report; /* how it went */
    bool repeated;             /* an attempt before this one may have made it */
    bool recorded;             /* with its result */
};

struct ledger {
    struct arena *arena;
    struct uuid run;
    struct ledger_call *calls; /* of the step in progress */
    size_t count;              /* 0: none is */
    bool opened;               /* the step and its intents are stored */
    struct uuid step; /* its id once it is stored; zero: the step of other calls than these */
    int64_t step_seq;
    int64_t next_step_seq;
    int64_t next_call_no;
};

void ledger_begin(struct ledger *ledger, struct uuid run, struct arena *arena);

/* Plans the calls of a reply; those of tools that are not there are refused at once, and those that
 * need an approval are open from the beginning. Returns 0, or -E_LIMIT: the arena is full. */
MUSTCHECK int ledger_plan(struct ledger *ledger, const struct chat_reply *reply,
                          const struct toolbox *tools, struct error *err);

/* Where an earlier attempt left the run: its numbers, and the calls that no message answers. One
 * that is done is taken as it is; one that may not be repeated becomes unknown. Returns as
 * ledger_plan does. */
MUSTCHECK int ledger_recall(struct ledger *ledger, const struct run_progress *progress,
                            const struct toolbox *tools, struct error *err);

/* Calls that were allowed become intents, but for those to which a person gave other arguments that
 * do not fit, which are refused as if the model had. Returns whether one has an effect, so that
 * this is to be recorded first: else the next attempt would take it for not begun. */
MUSTCHECK bool ledger_begin_approved(struct ledger *ledger, const struct toolbox *tools);

/* Notes what came of a call; the result is copied. The model is told where it was made with other
 * arguments than its own. */
void ledger_note(struct ledger *ledger, struct ledger_call *call, struct text result,
                 bool is_error);

/* And how it went. */
void ledger_report(struct ledger_call *call, const struct call_report *report);

/* The call is for somebody outside, who settles it while the run is parked. */
void ledger_park(struct ledger_call *call, enum wait_kind kind, int64_t due_in_ms);

/* The call is for whoever made the run, which ends with it. */
void ledger_leave(struct ledger_call *call);

/* Nobody answers them: those that were left are told to be not made. */
void ledger_refuse_left(struct ledger *ledger);

/* The step is over. */
void ledger_close(struct ledger *ledger);

/* Is the call to be executed here and now? */
bool ledger_is_due(const struct ledger_call *call);

/* Whether it had an effect and its result is not recorded yet. */
bool ledger_is_unrecorded(const struct ledger_call *call);

/* Has any call that is due an effect, so that the intents are recorded first? */
bool ledger_has_effects(const struct ledger *ledger);

/* Is there a result that ledger_is_unrecorded? */
bool ledger_has_unrecorded(const struct ledger *ledger);

/* Is something due, and may all of that be left to the next attempt once it is stored? */
bool ledger_may_be_left(const struct ledger *ledger);

/* Is there a call for which the run is to be parked? */
bool ledger_waits(const struct ledger *ledger);

/* Is there a call with which the run ends? */
bool ledger_leaves(const struct ledger *ledger);
