#pragma once
/* Who listens to which runs: channels, as they were asked for (shared/events/asks.h), until the
 * asks run out. One that is expected has listeners whose ask is still on its way. Runs that this
 * worker does not have are in it, too: it may have them soon. Bounded: what was asked for longest
 * ago makes room. Nothing here suspends.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/lru.h"
#include "shared/events/asks.h"

#define AUDIENCE_RUNS_MAX     32768
#define AUDIENCE_CHANNELS_MAX 4 /* of one run: schedulers that have listeners of it */

struct audience_channel {
    char name[LIVE_CHANNEL_MAX];
    int64_t until_ms;
    bool whole; /* asked for what was said so far; to be cleared by who has said it */
};

struct audience_of {
    struct lru_entry entry;
    struct uuid run;
    struct audience_channel channels[AUDIENCE_CHANNELS_MAX];
    size_t count;
    int64_t expected_until_ms;
};

struct audience {
    struct lru runs;
};

void audience_init(struct audience *audience);
void audience_deinit(struct audience *audience);

void audience_ask(struct audience *audience, struct text channel, struct uuid run, bool whole,
                  int64_t now_ms);

/* There is somebody, whose ask has not come yet. */
void audience_expect(struct audience *audience, struct uuid run, int64_t now_ms);

/* Who listens now, which may be nobody yet; NULL: nobody, and nobody is expected. Valid until the
 * next call of any of these. */
struct audience_of *audience_find(struct audience *audience, struct uuid run, int64_t now_ms);
