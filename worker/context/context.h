#pragma once
/* From the history of a thread to the conversation that the model sees: the one header of this
 * folder that the life of a run knows. Pure. */

#include "providers/provider.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/store/threads/messages.h"

struct error;

struct context {
    struct chat_message *messages;
    size_t count;
};

/* Turns stored messages into chat messages, and repairs what a provider would refuse (repair.h).
 * Only the last message of `pending_run` may keep calls without results: they are about to be
 * executed. The texts are borrowed from the history. Returns 0 with *out, or -E_INVALID for a
 * message whose JSON can't be read, or -E_LIMIT when the arena is full. */
MUSTCHECK int context_build(const struct message_list *history, struct uuid pending_run,
                            struct arena *arena, struct context *out, struct error *err);

/* The text of API content parts: text parts joined by line feeds; other parts are skipped. */
MUSTCHECK int context_parts_text(struct text parts, struct arena *arena, struct text *out,
                                 struct error *err);

/* Whether every provider takes it (repair.h). */
bool context_is_sound(const struct context *context);

/* Makes it so. Returns 0, or -E_LIMIT when the arena is full. */
MUSTCHECK int context_repair(struct context *context, struct arena *arena, struct error *err);

/* How much of a conversation fits into the model's context, over the tries of one step. Begins with
 * zeros. */
struct context_fit {
    size_t left_out; /* messages at the front */
    int64_t tokens;  /* of what is sent, at most */
    bool refused;    /* the provider found it too long */
};

/* Leaves the oldest turns out of a request where it does not fit (window.h). One that is too long
 * even so is sent all the same: sizes are estimates, and the provider knows. */
void context_fit(const struct provider_target *target, struct context_fit *fit,
                 struct chat_request *request);

/* The provider says that a request was too long; `request` is the whole one. Returns whether there
 * is less that can be sent, which context_fit then does. Only once: it never loops. */
MUSTCHECK bool context_refused(const struct provider_target *target, struct context_fit *fit,
                               const struct chat_request *request);
