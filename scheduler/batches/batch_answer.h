#pragma once
/* Lines of a batch's files. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/check/failure.h"
#include "shared/store/batches/batch_runs.h"

/* What the endpoint answered: {"status_code","request_id","body"}, as it is. */
void batch_answer_response(struct buf *out, struct uuid run, struct text custom_id,
                           struct text response);

/* What the endpoint would have told its client. */
void batch_answer_failure(struct buf *out, struct uuid run, struct text custom_id,
                          const struct failure *failure);

/* The endpoint was never asked, or its answer is gone. */
void batch_answer_never(struct buf *out, struct uuid run, struct text custom_id, const char *code,
                        const char *message);

/* What an agent's run brought: the run, with its messages and their last text; of one that failed
 * the error, too. Returns whether it counts as completed, and so went to the output. */
bool batch_answer_run(struct buf *output, struct buf *errors, const struct batch_run *run,
                      struct text custom_id);

/* The same of one that is a response, as it is shown. */
bool batch_answer_shown(struct buf *output, struct buf *errors, const struct run *run,
                        struct text custom_id, struct text response);
