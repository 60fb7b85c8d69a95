/* A token bucket. */

#include "providers/rehearsal/meter_bucket.h"

#include <math.h>

#define NEARLY 1e-6 /* of a token: what adding up fractions may lose */

void meter_bucket_init(struct meter_bucket *bucket, int64_t allowed, int64_t now_us)
{
    *bucket = (struct meter_bucket){.level = (double)allowed, .at_us = now_us};
}

void meter_bucket_fill(struct meter_bucket *bucket, int64_t allowed, int64_t period_ms,
                       int64_t now_us)
{
    double passed_ms = (double)(now_us - bucket->at_us) / 1000;

    if (passed_ms <= 0)
        return;
    bucket->level += (double)allowed * passed_ms / (double)period_ms;
    if (bucket->level > (double)allowed)
        bucket->level = (double)allowed;
    bucket->at_us = now_us;
}

int64_t meter_bucket_wait_ms(const struct meter_bucket *bucket, int64_t allowed, int64_t period_ms,
                             int64_t wanted)
{
    double missing = (double)wanted - bucket->level;

    if (missing <= NEARLY)
        return 0;
    return (int64_t)ceil(missing * (double)period_ms / (double)allowed);
}

int64_t meter_bucket_remaining(const struct meter_bucket *bucket)
{
    return bucket->level > 0 ? (int64_t)(bucket->level + NEARLY) : 0;
}
