#pragma once
/* The record of a summary: the message that a run is told it by, a user's, whose text says that it
 * is a record, and no instruction. Each line of the summary is marked, so that none can end it, or
 * begin another message. Pure. */

#include "providers/chat.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"

struct error;

/* `messages`: how many it stands for. Returns 0, or -E_LIMIT. */
MUSTCHECK int record_message(struct text summary, int64_t messages, struct arena *arena,
                             struct chat_message *out, struct error *err);
