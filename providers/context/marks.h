#pragma once
/* Marks in a conversation: a message that says that others lie between those that are given. It is
 * none of the thread's (stored is 0). Pure. */

#include "providers/chat.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"

struct error;

/* Puts one in front of each message of `breaks` (places in the history, ascending), where anything
 * stands before it. Returns 0, or -E_LIMIT when the arena is full. */
MUSTCHECK int marks_add(struct chat_message **messages, size_t *count, const size_t *breaks,
                        size_t breaks_count, struct arena *arena, struct error *err);
