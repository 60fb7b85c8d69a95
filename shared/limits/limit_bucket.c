/* A bucket of rates. */

#include "shared/limits/limit_bucket.h"

#define MINUTE_US 60e6
#define DAY_US    86400e6

static double max(double a, double b)
{
    return a > b ? a : b;
}

static bool is_daily(enum limit_rate rate)
{
    return rate == LIMIT_REQUESTS_DAY || rate == LIMIT_TOKENS_DAY;
}

double limit_cost_at(const struct limit_cost *cost, enum limit_rate rate)
{
    switch (rate) {
    case LIMIT_REQUESTS:
    case LIMIT_REQUESTS_DAY:
        return (double)cost->requests;
    case LIMIT_INPUT_TOKENS:
        return (double)cost->input_tokens;
    case LIMIT_OUTPUT_TOKENS:
        return (double)cost->output_tokens;
    case LIMIT_TOKENS:
    case LIMIT_TOKENS_DAY:
    case LIMIT_RATES:
        break;
    }
    return (double)(cost->input_tokens + cost->output_tokens);
}

double limit_unit_us(const struct limit_rates *rates, enum limit_rate rate)
{
    return (is_daily(rate) ? DAY_US : MINUTE_US) / (double)rates->of[rate];
}

double limit_burst(const struct limit_rates *rates, enum limit_rate rate)
{
    double all = (double)rates->of[rate];

    return is_daily(rate) ? all : max(1, all * (LIMIT_BURST_MS * 1e3 / MINUTE_US));
}

bool limit_rates_any(const struct limit_rates *rates)
{
    for (int i = 0; i < LIMIT_RATES; i++)
        if (rates->of[i] > 0)
            return true;
    return rates->calls > 0;
}

double limit_bucket_wait_us(const struct limit_bucket *bucket, const struct limit_rates *rates,
                            const struct limit_cost *cost, double now_us)
{
    double wait_us = max(0, bucket->held_until_us - now_us);

    for (enum limit_rate i = 0; i < LIMIT_RATES; i++) {
        double burst;
        double units;

        if (rates->of[i] <= 0)
            continue;
        burst = limit_burst(rates, i);
        units = limit_cost_at(cost, i);
        if (units > burst)
            units = burst;
        wait_us = max(wait_us, max(now_us, bucket->full_us[i]) - now_us +
                                   (units - burst) * limit_unit_us(rates, i));
    }
    return wait_us;
}

void limit_bucket_take(struct limit_bucket *bucket, const struct limit_rates *rates,
                       const struct limit_cost *cost, double now_us)
{
    for (enum limit_rate i = 0; i < LIMIT_RATES; i++)
        if (rates->of[i] > 0)
            bucket->full_us[i] =
                max(now_us, bucket->full_us[i]) + limit_cost_at(cost, i) * limit_unit_us(rates, i);
}

void limit_bucket_settle(struct limit_bucket *bucket, const struct limit_rates *rates,
                         const struct limit_cost *taken, const struct limit_cost *real)
{
    for (enum limit_rate i = 0; i < LIMIT_RATES; i++)
        if (rates->of[i] > 0)
            bucket->full_us[i] +=
                (limit_cost_at(real, i) - limit_cost_at(taken, i)) * limit_unit_us(rates, i);
}

void limit_bucket_left(struct limit_bucket *bucket, const struct limit_rates *rates,
                       enum limit_rate rate, int64_t left, double now_us)
{
    if (rates->of[rate] <= 0 || left < 0)
        return;
    bucket->full_us[rate] =
        max(bucket->full_us[rate],
            now_us + (limit_burst(rates, rate) - (double)left) * limit_unit_us(rates, rate));
}

void limit_bucket_hold(struct limit_bucket *bucket, double until_us)
{
    bucket->held_until_us = max(bucket->held_until_us, until_us);
}
