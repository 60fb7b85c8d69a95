#pragma once
/* A conversation as a text, for a model that is to write about it and not to go on with it: a JSON
 * object in each line, so nothing that was said can be taken for another message. Pure. */

#include "shared/base/compiler.h"
#include "shared/store/threads/messages.h"

/* Appends a message. */
void transcript_add_message(const struct message *message, struct buf *out);
void transcript_add_draft(const struct message_draft *draft, struct buf *out);
