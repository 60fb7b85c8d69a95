#pragma once
/* What agents' runs brought, for the answers of a batch's lines. */

#include "shared/store/runs/run_steps.h"
#include "shared/store/runs/runs.h"
#include "shared/store/threads/messages.h"

struct batch_run {
    struct run run;
    bool left_calls; /* it ended with calls of functions of its client */
    const struct message *messages;
    size_t messages_count; /* that it wrote and that are shown, in their order */
    struct step_thoughts thoughts;
};

struct batch_runs_ask {
    const struct uuid *ids;
    size_t count;
    bool whole; /* hidden messages, too, and what models thought */
};

#define BATCH_THOUGHTS_BYTES ((int64_t)4 << 20) /* of a run: what is beyond is left out */

/* Of those of the runs that are there, in no order; *out_count of them in store->arena. How large
 * they are batch_lines_ended has told. */
SUSPENDS MUSTCHECK int batch_runs_read(const struct store *store, const struct batch_runs_ask *ask,
                                       struct batch_run **out, size_t *out_count,
                                       struct error *err);

/* Whether a message is read; `whole` is a parameter. */
#define SQL_BATCH_MESSAGE(m, whole) "(" whole " OR (" m ".role = 'assistant' AND NOT " m ".hidden))"
