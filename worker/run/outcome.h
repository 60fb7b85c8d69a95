#pragma once
/* What to do when a model call failed: one pure table from the class of the failure to an action.
 *
 *   class                     transient   counts as an attempt   in the end
 *   rate_limited              yes         no                     expires with the run
 *   any, when no call         yes         no                     expires with the run
 *     was made
 *   overloaded, timed_out,    yes         yes                    failed, server_error
 *   stream_cut
 *   malformed_reply           3 times     yes                    failed, server_error
 *   empty_reply               twice       yes                    failed, server_error
 *   no_room                   yes, later  yes                    failed, server_error
 *     that gave way           yes, later  no                     expires with the run
 *   reply_too_large           no          -                      failed, server_error
 *   quota                     no          -                      failed, rate_limit_exceeded
 *   context_overflow          no          -                      incomplete, max_prompt_tokens
 *   bad_request, auth         no          -                      failed, server_error
 *
 * A transient failure waits min(cap, base * 2^n) * U(0.5, 1), or what the provider asked for with
 * up to a tenth more, so that waiters do not return in step; but not beyond the run's deadline. A
 * wait of up to OUTCOME_HOLD_MS is slept by the fiber; for a longer one, and always where memory
 * was short, the run is handed back to the queue and holds nothing here. Attempts are counted from
 * the last call that succeeded, also where the run went to other workers in between.
 */

#include "providers/provider.h"
#include "shared/base/compiler.h"

#define OUTCOME_HOLD_MS      2000
#define OUTCOME_ATTEMPTS_MAX 8

enum outcome_action {
    OUTCOME_RETRY,      /* sleep wait_ms, then call again */
    OUTCOME_HAND_BACK,  /* to the queue, due in wait_ms */
    OUTCOME_FAIL,       /* the run ends as failed with `code` */
    OUTCOME_INCOMPLETE, /* the run ends as incomplete with `code` as its reason */
};

struct outcome_input {
    enum provider_failure failure;
    int64_t retry_after_ms; /* of the provider; -1: none */
    int64_t left_ms;        /* until the run's deadline */
    int attempts;           /* counted failures since the last success, this one not included */
    int limited;            /* rate limits in a row, of this worker, this one not included */
    bool gave_way;          /* of no_room: there was some, but somebody had waited for it long */
    bool held;              /* no call was made: the provider is left alone for a while */
    uint32_t random;        /* uniform, for the jitter */
};

struct outcome {
    enum outcome_action action;
    int64_t wait_ms;
    bool counts;      /* as an attempt */
    const char *code; /* of the run's last_error, or its incomplete reason; static */
};

/* Pure. The failure must not be PROVIDER_OK. */
struct outcome outcome_decide(const struct outcome_input *input);
