#pragma once
/* Which runs were hinted in the last seconds: a bounded table keyed by run id, oldest first. When
 * it is full the oldest makes room, and is then merely hinted once too often. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"

struct hinted;

#define HINTED_MAX     50000
#define HINTED_KEEP_MS 3000

struct hinted *hinted_new(size_t max);
void hinted_free(struct hinted *hinted); /* accepts NULL */

void hinted_add(struct hinted *hinted, struct uuid run, int64_t now_ms);

/* How long ago; -1: not within HINTED_KEEP_MS. */
int64_t hinted_age_ms(const struct hinted *hinted, struct uuid run, int64_t now_ms);

/* Drops what is older than HINTED_KEEP_MS. */
void hinted_expire(struct hinted *hinted, int64_t now_ms);
void hinted_clear(struct hinted *hinted);
size_t hinted_count(const struct hinted *hinted);
