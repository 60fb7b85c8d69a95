#pragma once
/* Which runs of a shard were hinted lately: a bounded table keyed by run id, oldest first. When it
 * is full the oldest makes room, and is then merely hinted once too often. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/queue/queue.h"

struct hinted;

#define HINTED_MAX 12000

/* A run that is still queued after this time is hinted again. */
#define HINTED_KEEP_MS 3000

/* A run whose hint was read, and that is not claimed after this time, is hinted again: the reader
 * is gone. */
#define HINTED_READ_MS 1000

/* A hint is remembered for this time, so that a second hint of the same run is known to be one. */
#define HINTED_REMEMBER_MS 10000

struct hinted_run {
    struct uuid run;
    struct uuid tenant;
    int lane;
};

struct hinted *hinted_new(size_t max);
void hinted_free(struct hinted *hinted); /* accepts NULL */

void hinted_add(struct hinted *hinted, const struct hinted_run *run, int64_t now_ms);

/* How long ago, the last time; -1: not that it is remembered. */
int64_t hinted_age_ms(const struct hinted *hinted, struct uuid run, int64_t now_ms);

/* Hints that are on their way, newest first: streams are read in order, so of each lane it is the
 * newest that it holds, the oldest of which were read and not yet removed; none older than
 * HINTED_KEEP_MS, or HINTED_READ_MS for those that were read. Returns how many, at most `max`. A
 * run that was hinted twice may be there twice. */
size_t hinted_on_way(const struct hinted *hinted, const struct queue_stats *stats, int64_t now_ms,
                     struct hinted_run *out, size_t max);

/* Drops what is older than HINTED_REMEMBER_MS. */
void hinted_expire(struct hinted *hinted, int64_t now_ms);
void hinted_clear(struct hinted *hinted);
size_t hinted_count(const struct hinted *hinted);
