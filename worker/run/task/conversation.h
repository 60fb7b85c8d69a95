#pragma once
/* The conversation of a run: what the model has been told so far, oldest first, and what the run
 * has stored of it. Texts live in the run's arena, or are borrowed from what is there.
 */

#include "providers/context/context.h"
#include "providers/provider.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/store/threads/messages.h"

struct error;

struct conversation {
    struct arena *arena;
    struct chat_message *messages;
    size_t count;
    size_t room;
    size_t first;                 /* at the front, which are to stay: as of struct context */
    struct message_list history;  /* of which it was made: stored messages say where they are */
    struct context_joined joined; /* where what is sent of it is put together */
    int64_t images_bytes;         /* of files that were fetched */
    int64_t next_seq;             /* of the next message that the run stores */
};

/* From what was read of the thread. Returns 0, or as context_build does. */
MUSTCHECK int conversation_load(struct conversation *conversation,
                                const struct context_history *source, struct error *err);

/* What the model said, and the result of a call. False: the arena is full. */
MUSTCHECK bool conversation_add_reply(struct conversation *conversation,
                                      const struct chat_reply *reply);
MUSTCHECK bool conversation_add_result(struct conversation *conversation, struct text call_id,
                                       struct text result);

/* What people said meanwhile. Returns 0, or as context_build does. */
MUSTCHECK int conversation_add_said(struct conversation *conversation,
                                    const struct message_list *said, struct error *err);

/* Calls and results find each other by id, and some servers begin anew with every reply: a call
 * whose id was used before gets one of our own. False: the arena is full. */
MUSTCHECK bool conversation_tidy_calls(const struct conversation *conversation,
                                       struct chat_reply *reply);

/* Whatever came together in memory, what is sent is well formed (providers/context/repair.h).
 * Returns 0, or -E_LIMIT when the arena is full. */
MUSTCHECK int conversation_repair(struct conversation *conversation, struct error *err);

/* The newest part of a message that is an image of a file and was not fetched yet; NULL: there is
 * none. It is to be made one that can be sent: an image with a url, or a text. NULL too, with
 * *out_full, when the arena is full. */
struct chat_part *conversation_unseen(struct conversation *conversation, bool *out_full);
