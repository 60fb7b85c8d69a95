#pragma once
/* A bucket of rates: how long a call has to wait so that no rate is exceeded. Pure.
 *
 * Virtual scheduling (the generic cell rate algorithm, ITU-T I.371 appendix A): of each rate one
 * number is kept, the time at which the bucket would be full again if nothing more was taken from
 * it. A call moves it by what it costs, and may start as soon as it is not further ahead than the
 * burst that the rate allows. So each call gets a time of its own, nobody has to look again, and a
 * bucket is a handful of numbers however many wait.
 *
 * Providers count in ways of their own: token buckets, fixed and sliding windows, windows shorter
 * than they say. LIMIT_BURST_MS of a rate may come at once: little enough to stay within a window
 * of a minute but for a sixth after a pause, and enough that a few runs which start together do not
 * notice. What is counted by the day may come at once as a whole.
 *
 * A call that costs more than may come at once waits until all of it is there, and then takes more
 * than there is: whoever follows waits the longer. So it passes alone instead of never.
 *
 * Times are microseconds, as whole numbers in doubles: as Redis' scripts have them, which keep the
 * shared buckets by the same rules (limits.c).
 */

#include "shared/base/compiler.h"

#define LIMIT_BURST_MS 10000

enum limit_rate {
    LIMIT_REQUESTS, /* a minute */
    LIMIT_TOKENS,   /* of input and output together */
    LIMIT_INPUT_TOKENS,
    LIMIT_OUTPUT_TOKENS,
    LIMIT_REQUESTS_DAY,
    LIMIT_TOKENS_DAY,
    LIMIT_RATES,
};

/* 0: no limit. */
struct limit_rates {
    int64_t of[LIMIT_RATES];
    int64_t calls; /* at once */
};

struct limit_cost {
    int64_t requests;
    int64_t input_tokens;
    int64_t output_tokens;
};

struct limit_bucket {
    double full_us[LIMIT_RATES]; /* when it would be full again */
    double held_until_us;        /* nothing before: the provider has said so */
};

/* What a call costs at a rate. */
double limit_cost_at(const struct limit_cost *cost, enum limit_rate rate);

/* How many microseconds one unit of a rate takes, and how many units may come at once. */
double limit_unit_us(const struct limit_rates *rates, enum limit_rate rate);
double limit_burst(const struct limit_rates *rates, enum limit_rate rate);

/* Whether any rate, or the number of calls, is limited. */
bool limit_rates_any(const struct limit_rates *rates);

/* How long a call would have to wait. */
double limit_bucket_wait_us(const struct limit_bucket *bucket, const struct limit_rates *rates,
                            const struct limit_cost *cost, double now_us);

/* Takes what a call costs. */
void limit_bucket_take(struct limit_bucket *bucket, const struct limit_rates *rates,
                       const struct limit_cost *cost, double now_us);

/* A call that took `taken` has cost `real`: the difference is given back, or taken. */
void limit_bucket_settle(struct limit_bucket *bucket, const struct limit_rates *rates,
                         const struct limit_cost *taken, const struct limit_cost *real);

/* The provider says that so many units of a rate are left: there are no more than that. */
void limit_bucket_left(struct limit_bucket *bucket, const struct limit_rates *rates,
                       enum limit_rate rate, int64_t left, double now_us);

/* Nothing may start before. A hold never gets shorter. */
void limit_bucket_hold(struct limit_bucket *bucket, double until_us);
