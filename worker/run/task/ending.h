#pragma once
/* How a run leaves its worker. Every stage of its life says what is next; the functions here note
 * what goes with that and return it, so that ending a run is one line:
 *
 *     return ending_failed(&task->ending, "server_error", "The run needs too much memory.");
 */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/store/leases/run_leases.h"

/* What is to be done with a run. */
enum run_next {
    RUN_GO_ON,     /* the next stage */
    RUN_FINISH,    /* write ending.end */
    RUN_HAND_BACK, /* write ending.back: it returns to the queue */
    RUN_PARKED,    /* all is written: it waits for somebody outside */
    RUN_DROP,      /* the lease is lost, or not trusted: write nothing */
};

struct ending {
    struct arena *arena;        /* of the run: texts live there */
    struct run_ending end;      /* of RUN_FINISH */
    bool with_reply;            /* the newest reply of the model is the final message */
    bool with_calls;            /* the ledger's step is the end: some of its calls are left */
    struct run_return back;     /* of RUN_HAND_BACK */
    struct run_parking parking; /* of RUN_PARKED */
};

/* Each returns RUN_FINISH. Codes and reasons are static. */
int ending_completed(struct ending *ending);
int ending_failed(struct ending *ending, const char *code, const char *format, ...) PRINTF(3, 4);
int ending_incomplete(struct ending *ending, const char *reason);
int ending_expired(struct ending *ending);
int ending_cancelled(struct ending *ending);

/* The one sentence for a run that has outgrown its arena. Returns RUN_FINISH. */
int ending_out_of_memory(struct ending *ending);

/* Due again after delay_ms; 0: it keeps its place. Returns RUN_HAND_BACK. */
int ending_hand_back(struct ending *ending, int64_t delay_ms, enum run_wait wait);
