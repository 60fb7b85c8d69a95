#pragma once
/* Asking workers to tell of runs: ids gather in a line (shared/events/asks.h), which is published
 * when it is full, or when whoever asks has no more. Nothing here suspends. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"

struct redis;

struct asking {
    struct redis *redis; /* over which workers are asked; must outlive it */
    const char *channel; /* to which they tell; the same */
    bool whole;          /* for what was said of the present reply so far, too */
    struct buf line;
    size_t count;
};

void asking_init(struct asking *asking, struct redis *redis, const char *channel, bool whole);
void asking_deinit(struct asking *asking); /* what was not sent is dropped */

void asking_add(struct asking *asking, struct uuid run);
void asking_send(struct asking *asking); /* what has gathered, if anything */
