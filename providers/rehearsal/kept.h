#pragma once
/* Responses that are stored, as OpenAI does unless a request says store: false: what the next one
 * goes on behind. The newest KEPT_MAX of them, until they are deleted or the program ends. */

#include "shared/base/compiler.h"
#include "shared/base/list.h"
#include "shared/base/text.h"

#define KEPT_MAX       1000
#define KEPT_BYTES_MAX ((size_t)64 << 20) /* of all together */

struct kept {
    struct list all; /* oldest first */
    size_t count;
    size_t bytes;
};

void kept_init(struct kept *kept);
void kept_deinit(struct kept *kept);

/* Keeps a copy of the items of a response, input and output: JSON without the brackets, a comma
 * between them. It is there for callers with the same key. */
void kept_add(struct kept *kept, struct text key, struct text id, struct text items);

/* The items; TEXT_NONE: there is no such response of that key. Valid until the next kept_add or
 * kept_delete. */
struct text kept_find(const struct kept *kept, struct text key, struct text id);

/* False: there is none. */
bool kept_delete(struct kept *kept, struct text key, struct text id);
