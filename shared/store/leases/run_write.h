#pragma once
/* What a worker writes of a run that it holds. run_writer.h writes it. */

#include "shared/store/runs/run_state.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/store.h"
#include "shared/store/threads/messages.h"

#define CHECKPOINT_ITEMS_MAX 1000 /* messages, calls, steps: of each */

/* Held by exactly one fiber. */
struct run_lease {
    struct uuid run;
    int64_t owner;
    int64_t fence;
    int64_t step; /* raised by each successful write */
};

/* CALL_CLIENT: the client executes it; an intent until it gives the output (tool_outputs.h). */
enum call_class { CALL_PURE, CALL_IDEMPOTENT, CALL_ONCE, CALL_CLIENT };
enum call_state { CALL_INTENT, CALL_DONE, CALL_UNKNOWN };

/* A tool call. Written first as an intent, later as done or unknown with its result. */
struct run_call {
    int64_t call_no; /* counts up within the run */
    struct text call_id;
    struct text name;
    struct text arguments; /* as the model wrote them */
    enum call_class class;
    enum call_state state;
    struct text idempotency_key;
    struct text result; /* TEXT_NONE: none yet */
    bool is_error;
};

/* A message that the run appends to its thread. */
struct run_message {
    struct uuid id;
    int64_t seq;            /* counts up within the run, from 1 */
    enum message_role role; /* assistant or tool */
    bool hidden;
    struct text content;      /* JSON array of parts */
    struct text tool_calls;   /* JSON array; TEXT_NONE: none */
    struct text tool_call_id; /* role tool */
    struct text opaque;       /* JSON for the provider (see messages.h); TEXT_NONE: none */
};

/* A step to insert, or, when the run has its seq already, to set status, tool_calls, usage,
 * last_error and message_id of (absent ones stay). */
struct run_step_write {
    struct uuid id;
    int64_t seq; /* counts up within the run, from 1 */
    enum step_type type;
    enum step_status status;
    struct uuid message_id; /* zero: none */
    struct text tool_calls; /* JSON array; TEXT_NONE */
    struct text usage;      /* JSON object; TEXT_NONE */
    struct text last_error; /* JSON object; TEXT_NONE */
};

/* What a write of a worker carries. All parts may be empty. */
struct run_changes {
    int64_t prompt_tokens; /* used since the last write */
    int64_t completion_tokens;
    const struct run_message *messages; /* appended in this order */
    size_t message_count;
    const struct run_call *calls; /* inserted, or state, result and is_error of known ones set */
    size_t call_count;
    const struct run_step_write *steps;
    size_t step_count;
};

/* The last write: the terminal status with its time, and the thread released. */
struct run_ending {
    enum run_status status;        /* terminal */
    struct uuid result_message;    /* zero: none */
    struct text error_code;        /* TEXT_NONE: no last_error; e.g. "server_error" */
    struct text error_message;     /* may be TEXT_NONE */
    struct text incomplete_reason; /* RUN_INCOMPLETE: "max_completion_tokens", … */
};

/* What a run that no worker has waits for. A claim clears it. */
enum run_wait { RUN_WAIT_NONE, RUN_WAIT_BACKOFF, RUN_WAIT_RATE_LIMIT, RUN_WAIT_TOOL_OUTPUTS };

/* How a run is given back to the queue. */
struct run_return {
    int64_t delay_ms; /* due that much later; 0: it keeps its place before what came later */
    int errors;       /* added to the run's; negative where earlier ones were overcome */
    enum run_wait wait_kind;
};

/* Lets go of a run that waits for somebody outside: it becomes requires_action and holds no slot.
 * Who brings what it waits for makes it queued again. */
struct run_parking {
    enum run_wait wait_kind;     /* not RUN_WAIT_NONE */
    struct text required_action; /* JSON object, as the API shows it; TEXT_NONE: none */
};
