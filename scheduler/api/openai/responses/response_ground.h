#pragma once
/* What a response stands on: a thread of its own, a conversation, or where another response
 * ended. */

#include "scheduler/api/openai/items/item_read.h"
#include "scheduler/api/request.h"
#include "shared/store/threads/tips.h"
#include "shared/submit/submit.h"

enum ground_kind { GROUND_NEW, GROUND_CONVERSATION, GROUND_PREVIOUS };

struct response_ground {
    enum ground_kind kind;
    struct uuid thread;    /* zero: a new one */
    struct uuid previous;  /* the run that it goes on behind */
    struct thread_tip tip; /* of the thread, or where that run left it */
    bool goes_on;          /* in that run's thread where it can; else in a copy */
    bool lingers;          /* what is not to be stored is erased by who asked, and not by itself */
};

/* From the members conversation and previous_response_id of the body. Returns 0, or -E_INVALID with
 * request->failure. */
SUSPENDS MUSTCHECK int response_ground_find(struct request *request, struct response_ground *out);

/* Whether the input answers the calls that are open there, and no others. Returns 0, or -E_INVALID
 * with request->failure. */
MUSTCHECK int response_ground_check(struct request *request, const struct response_ground *ground,
                                    const struct read_items *items);

/* Makes the run there. The submission says all else. Where the ground has moved meanwhile it is
 * found, and the items are checked, again. Returns as submit does. */
SUSPENDS MUSTCHECK int response_ground_submit(struct request *request,
                                              struct response_ground *ground,
                                              const struct read_items *items,
                                              struct submission *submission, struct submitted *out);

/* The same on GROUND_NEW without the write. Returns as submit_prepare. */
SUSPENDS MUSTCHECK int response_ground_prepare(struct request *request,
                                               const struct response_ground *ground,
                                               struct submission *submission,
                                               struct submit_draft *out);

/* The 400 of a call that nobody answers. Returns -E_INVALID. */
int response_no_output(struct request *request, struct text call);
