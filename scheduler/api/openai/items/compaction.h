#pragma once
/* Items that stand for a conversation in fewer words: what a model has written of it, for the model
 * that goes on. Their content looks opaque, as clients expect of it, and is no secret: base64
 * behind a word that says whose it is. Pure. */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"

/* Appends the item as JSON. */
void compaction_write(struct uuid id, struct text summary, struct buf *out);

/* Into the arena: what is said to the model in place of the item. TEXT_NONE: the content is none
 * that compaction_write has written, or the arena is full. */
struct text compaction_read(struct text content, struct arena *arena);
