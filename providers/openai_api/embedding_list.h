#pragma once
/* Vectors, as OpenAI's embeddings say them. */

#include "providers/reply/embedding.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* Others have their turn in between. */
SUSPENDS void embedding_list_write(struct buf *out, struct text model,
                                   const struct embedding_reply *reply, bool base64);
