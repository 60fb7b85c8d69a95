#pragma once
/* A token bucket: it holds as much as a limit allows in its period, fills up evenly, and what a
 * call takes is gone at once. It may be taken below zero, by what a call turns out to cost; then it
 * fills up from there. Pure: time is a parameter. */

#include "shared/base/compiler.h"

struct meter_bucket {
    double level;
    int64_t at_us; /* when it had that level */
};

/* Full. */
void meter_bucket_init(struct meter_bucket *bucket, int64_t allowed, int64_t now_us);

/* Fills up to the present. */
void meter_bucket_fill(struct meter_bucket *bucket, int64_t allowed, int64_t period_ms,
                       int64_t now_us);

/* The next two are of a bucket that was filled up just now. How long until it holds that much; 0:
 * it does. */
int64_t meter_bucket_wait_ms(const struct meter_bucket *bucket, int64_t allowed, int64_t period_ms,
                             int64_t wanted);
int64_t meter_bucket_remaining(const struct meter_bucket *bucket); /* never below 0 */
