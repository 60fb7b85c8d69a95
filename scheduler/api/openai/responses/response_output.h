#pragma once
/* What a response says: the items of the messages that its run wrote. */

#include "scheduler/api/request.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/runs/runs.h"

enum { OUTPUT_REFUSED = 200 };

/* What a run has said and thought. */
struct response_words {
    const struct message *messages; /* in their order, hidden ones, too */
    size_t count;
    struct step_thoughts thoughts;
};

/* Appends the items, separated by commas. Returns 0, or -E_LIMIT. */
SUSPENDS MUSTCHECK int response_items(const struct run *run, const struct response_words *words,
                                      struct arena *arena, struct buf *out, struct error *err);

/* Appends the items, separated by commas: of a run that has not ended those that there are by now.
 * What is found to be large is read over the connection for that, with room for it where
 * `with_room`. Returns 0; RUN_MISSING: it is gone; OUTPUT_REFUSED: there is no room, and
 * request->failure says so; or what the store failed with. */
SUSPENDS MUSTCHECK int response_output(struct request *request, const struct run *run,
                                       bool with_room, struct buf *out, struct error *err);

/* The response becomes the reply. Returns 0, or -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int response_show(struct request *request, const struct run *run);

/* The 404 of a response. Returns -E_INVALID. */
int response_missing(struct request *request, struct uuid run);
