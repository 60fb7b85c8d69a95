/* Lines of asks. */

#include "scheduler/live/asking.h"

#include "shared/events/asks.h"
#include "shared/redis/redis.h"

void asking_init(struct asking *asking, struct redis *redis, const char *channel, bool whole)
{
    *asking = (struct asking){.redis = redis, .channel = channel, .whole = whole};
    buf_init(&asking->line, 0);
}

void asking_deinit(struct asking *asking)
{
    buf_deinit(&asking->line);
    asking->count = 0;
}

void asking_add(struct asking *asking, struct uuid run)
{
    if (asking->count++ == 0)
        asks_begin(&asking->line, text_of(asking->channel), asking->whole);
    asks_add(&asking->line, run);
    if (asking->count == ASKS_IDS_MAX)
        asking_send(asking);
}

void asking_send(struct asking *asking)
{
    const struct text argv[3] = {TEXT("PUBLISH"), TEXT(ASKS_CHANNEL), buf_text(&asking->line)};

    if (asking->count == 0)
        return;
    redis_post(asking->redis, argv, 3);
    buf_reset(&asking->line);
    asking->count = 0;
}
