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
