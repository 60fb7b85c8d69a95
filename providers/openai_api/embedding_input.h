#pragma once
/* From the body of an embedding to the texts. Pure. */

#include "providers/embed.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/json/json.h"

struct error;

struct embedding_input {
    struct embedding_request request;
    struct chat_request weighed; /* the same texts, as limits weigh what is read */
};

/* Of a body that was checked (chat_bodies.h), which it borrows the texts from. Returns 0, or
 * -E_LIMIT when the arena is full. */
MUSTCHECK int embedding_input_read(struct json_object *body, struct arena *arena,
                                   struct embedding_input *out, struct error *err);
