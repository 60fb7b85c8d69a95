/* A ring of entries in order of time, and chains of ring places by hash. Nothing is allocated after
 * hinted_new. */

#include "scheduler/dispatch/hinted.h"

#include <stdlib.h>

#include "shared/base/memory.h"

enum { NONE = -1 };

struct hint_entry {
    struct hinted_run hint;
    int64_t at_ms;
    int32_t next; /* in its chain */
};

struct hinted {
    struct hint_entry *ring;
    int32_t *chains;
    size_t max;
    size_t first; /* the oldest */
    size_t count;
};

struct hinted *hinted_new(size_t max)
{
    struct hinted *hinted = xcalloc(1, sizeof(*hinted));

    ASSERT(max > 0 && max < INT32_MAX);
    hinted->max = max;
    hinted->ring = xcalloc(max, sizeof(*hinted->ring));
    hinted->chains = xcalloc(max, sizeof(*hinted->chains));
    hinted_clear(hinted);
    return hinted;
}

void hinted_free(struct hinted *hinted)
{
    if (!hinted)
        return;
    free(hinted->ring);
    free(hinted->chains);
    free(hinted);
}

void hinted_clear(struct hinted *hinted)
{
    hinted->first = hinted->count = 0;
    for (size_t i = 0; i < hinted->max; i++)
        hinted->chains[i] = NONE;
}

size_t hinted_count(const struct hinted *hinted)
{
    return hinted->count;
}

/* The last bytes of an id are random. */
static size_t chain_of(const struct hinted *hinted, struct uuid run)
{
    uint32_t hash;

    memcpy(&hash, run.bytes + 12, sizeof(hash));
    return hash % hinted->max;
}

static void drop_oldest(struct hinted *hinted)
{
    struct hint_entry *entry = &hinted->ring[hinted->first];
    int32_t *at = &hinted->chains[chain_of(hinted, entry->hint.run)];

    while (*at != (int32_t)hinted->first)
        at = &hinted->ring[*at].next;
    *at = entry->next;
    hinted->first = (hinted->first + 1) % hinted->max;
    hinted->count--;
}

void hinted_expire(struct hinted *hinted, int64_t now_ms)
{
    while (hinted->count > 0 && hinted->ring[hinted->first].at_ms + HINTED_REMEMBER_MS <= now_ms)
        drop_oldest(hinted);
}

void hinted_add(struct hinted *hinted, const struct hinted_run *run, int64_t now_ms)
{
    int32_t *chain = &hinted->chains[chain_of(hinted, run->run)];
    size_t place;

    if (hinted->count == hinted->max)
        drop_oldest(hinted);
    place = (hinted->first + hinted->count) % hinted->max;
    hinted->ring[place] = (struct hint_entry){*run, now_ms, *chain};
    *chain = (int32_t)place;
    hinted->count++;
}

/* The newest entry of a run is the first of its chain. */
int64_t hinted_age_ms(const struct hinted *hinted, struct uuid run, int64_t now_ms)
{
    for (int32_t at = hinted->chains[chain_of(hinted, run)]; at != NONE;
         at = hinted->ring[at].next) {
        const struct hint_entry *entry = &hinted->ring[at];

        if (uuid_equal(entry->hint.run, run))
            return now_ms - entry->at_ms < HINTED_REMEMBER_MS ? now_ms - entry->at_ms : -1;
    }
    return -1;
}

size_t hinted_on_way(const struct hinted *hinted, const struct queue_stats *stats, int64_t now_ms,
                     struct hinted_run *out, size_t max)
{
    int64_t left[QUEUE_LANES];
    size_t found = 0;

    memcpy(left, stats->length, sizeof(left));
    for (size_t i = hinted->count; i-- > 0 && found < max;) {
        const struct hint_entry *entry = &hinted->ring[(hinted->first + i) % hinted->max];
        int lane = entry->hint.lane;
        int64_t age_ms = now_ms - entry->at_ms;

        if (age_ms >= HINTED_KEEP_MS)
            break;
        if (left[lane] == 0)
            continue;
        if (--left[lane] < stats->pending[lane] && age_ms >= HINTED_READ_MS)
            continue;
        out[found++] = entry->hint;
    }
    return found;
}
