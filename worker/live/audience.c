/* An LRU of runs, each with its channels. */

#include "worker/live/audience.h"

#include <stdlib.h>

#include "shared/base/memory.h"

static bool matches(const struct lru_entry *entry, const void *key)
{
    const struct audience_of *of = CONTAINER_OF(entry, const struct audience_of, entry);

    return uuid_equal(of->run, *(const struct uuid *)key);
}

static void drop(struct lru_entry *entry)
{
    free(CONTAINER_OF(entry, struct audience_of, entry));
}

void audience_init(struct audience *audience)
{
    lru_init(&audience->runs, AUDIENCE_RUNS_MAX, matches, drop);
}

void audience_deinit(struct audience *audience)
{
    lru_deinit(&audience->runs);
}

static struct audience_of *find(struct audience *audience, struct uuid run)
{
    struct lru_entry *entry =
        lru_find(&audience->runs, lru_hash_bytes(run.bytes, sizeof(run.bytes)), &run);

    return entry ? CONTAINER_OF(entry, struct audience_of, entry) : NULL;
}

static struct audience_of *find_or_add(struct audience *audience, struct uuid run)
{
    struct audience_of *of = find(audience, run);

    if (of)
        return of;
    of = xcalloc(1, sizeof(*of));
    of->run = run;
    lru_add(&audience->runs, lru_hash_bytes(run.bytes, sizeof(run.bytes)), &of->entry);
    return of;
}

/* Its own place; else a new one, or that of the channel whose ask runs out first. */
static struct audience_channel *place_of(struct audience_of *of, struct text name)
{
    struct audience_channel *place = &of->channels[0];

    for (size_t i = 0; i < of->count; i++) {
        if (text_is(name, of->channels[i].name))
            return &of->channels[i];
        if (of->channels[i].until_ms < place->until_ms)
            place = &of->channels[i];
    }
    if (of->count < AUDIENCE_CHANNELS_MAX)
        place = &of->channels[of->count++];
    *place = (struct audience_channel){.until_ms = 0};
    memcpy(place->name, name.ptr, name.len);
    return place;
}

void audience_ask(struct audience *audience, struct text channel, struct uuid run, bool whole,
                  int64_t now_ms)
{
    struct audience_channel *place;

    ASSERT(channel.len < LIVE_CHANNEL_MAX);
    place = place_of(find_or_add(audience, run), channel);
    place->until_ms = now_ms + ASK_HOLDS_MS;
    place->whole |= whole;
}

void audience_expect(struct audience *audience, struct uuid run, int64_t now_ms)
{
    find_or_add(audience, run)->expected_until_ms = now_ms + ASK_HOLDS_MS;
}

struct audience_of *audience_find(struct audience *audience, struct uuid run, int64_t now_ms)
{
    struct audience_of *of = find(audience, run);

    if (!of)
        return NULL;
    for (size_t i = of->count; i-- > 0;)
        if (of->channels[i].until_ms <= now_ms)
            of->channels[i] = of->channels[--of->count];
    if (of->count > 0 || of->expected_until_ms > now_ms)
        return of;
    lru_remove(&audience->runs, &of->entry);
    return NULL;
}
