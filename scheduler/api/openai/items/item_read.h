#pragma once
/* From the items of a request to messages, as the store wants them. */

#include "scheduler/api/request.h"
#include "shared/store/threads/drafts.h"

struct read_items {
    struct message_draft *drafts; /* in the store's arena, as all that is here */
    size_t count;
    struct text title;    /* that the first thing which was said gives; TEXT_NONE: none */
    struct text *outputs; /* ids of calls that are answered here, and made elsewhere */
    size_t outputs_count;
    struct text repeated;  /* one of these that is answered twice; TEXT_NONE: none is */
    struct text open_call; /* the id of one that is made here, and not answered; TEXT_NONE: none */
};

/* `input`: a string, or an array of items, which was checked; NULL: none. Items that are referred
 * to are copied. Calls that stand side by side, and a text before them, become one message, as they
 * were one reply. Returns 0, or -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int items_read(struct request *request, struct json_object *input,
                                  struct read_items *out);
