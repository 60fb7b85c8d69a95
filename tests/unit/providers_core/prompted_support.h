#pragma once
/* Shared by the tests of tools in words: a request that offers some, and who listens to a
 * stream. */

#include "providers/chat_event.h"
#include "shared/base/text.h"

/* Offers get_weather, get_time and search. */
extern const struct chat_request prompted_offered;

/* What was told: texts in a row, and calls as " name(arguments)". */
struct told {
    struct buf text;
    struct buf calls;
    enum chat_finish finish;
    size_t numbers;
};

struct chat_sink told_init(struct told *told);
void told_deinit(struct told *told);
