/* News gather in a line for each kind, and leave at the end of the turn. */

#include "shared/events/teller.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/fiber/loop.h"
#include "shared/redis/redis.h"

struct line {
    struct buf text;
    size_t ids;
};

struct teller {
    struct redis *redis;
    bool on_demand;
    int64_t wanted_until_ms;
    struct line lines[NEWS_KINDS];
    struct deferred flush;
    struct teller_stats stats;
};

static void send_line(struct teller *teller, struct line *line)
{
    const struct text argv[3] = {TEXT("PUBLISH"), TEXT(NEWS_CHANNEL), buf_text(&line->text)};

    if (line->ids == 0)
        return;
    redis_post(teller->redis, argv, 3);
    teller->stats.messages++;
    buf_reset(&line->text);
    line->ids = 0;
}

static void flush(void *arg)
{
    struct teller *teller = arg;

    for (size_t i = 0; i < NEWS_KINDS; i++)
        send_line(teller, &teller->lines[i]);
}

struct teller *teller_new(struct redis *redis, bool on_demand)
{
    struct teller *teller = xcalloc(1, sizeof(*teller));

    teller->redis = redis;
    teller->on_demand = on_demand;
    for (size_t i = 0; i < NEWS_KINDS; i++)
        buf_init(&teller->lines[i].text, 0);
    deferred_init(&teller->flush, flush, teller);
    return teller;
}

void teller_free(struct teller *teller)
{
    if (!teller)
        return;
    loop_undefer(&teller->flush);
    for (size_t i = 0; i < NEWS_KINDS; i++)
        buf_deinit(&teller->lines[i].text);
    free(teller);
}

void teller_tell(struct teller *teller, enum news_kind kind, struct uuid id)
{
    struct line *line = &teller->lines[kind];

    ASSERT(kind < NEWS_KINDS);
    if (teller->on_demand && clock_ms() >= teller->wanted_until_ms)
        return;
    if (line->ids == 0)
        news_begin(&line->text, kind);
    news_add(&line->text, id);
    line->ids++;
    teller->stats.told++;
    if (line->ids == NEWS_IDS_MAX)
        send_line(teller, line);
    else
        loop_defer(&teller->flush);
}

void teller_wanted(struct teller *teller)
{
    teller->wanted_until_ms = deadline_in(NEWS_WANTED_MS);
}

struct teller_stats teller_stats(const struct teller *teller)
{
    return teller->stats;
}
