#pragma once
/* From the history of a thread to the conversation that the model sees. Pure. */

#include "providers/provider.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/store/messages.h"

struct error;

struct context {
    struct chat_message *messages;
    size_t count;
    size_t room;
};

/* Turns stored messages into chat messages, and repairs what a provider would refuse:
 *   - a tool call that nothing answers gets an answer that says so (unless it is of `pending_run`,
 *   whose
 *     open calls are about to be executed: those are left for run_resume)
 *   - a tool result that answers no call before it is left out
 *   - results stand right behind the message with their calls, in the order of the calls
 * The texts are borrowed from the history. Returns 0 with *out, or -E_INVALID for a message whose
 * JSON can't be read, or -E_LIMIT when the arena is full. */
MUSTCHECK int context_build(const struct message_list *history, struct uuid pending_run,
                            struct arena *arena, struct context *out, struct error *err);

/* The text of API content parts: text parts joined by line feeds; other parts are skipped. */
MUSTCHECK int context_parts_text(struct text parts, struct arena *arena, struct text *out,
                                 struct error *err);

/* JSON array of [{id,name,arguments}] to calls. */
MUSTCHECK int context_parse_calls(struct text json, struct arena *arena,
                                  struct chat_tool_call **out, size_t *out_count,
                                  struct error *err);
