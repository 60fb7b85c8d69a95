/* Intervals. The number of a time is the whole intervals since the start, so nothing is counted
 * from the time before and no delay adds up. */

#include "shared/time/interval.h"

#include "shared/base/error.h"

#define SHOWN_SIZE 32

static const struct unit {
    char letter;
    int64_t seconds;
} units[] = {{'w', 7 * 86400}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

/* A number and a unit that is smaller than those before it: units[*smallest] on. */
static bool take(struct text *rest, size_t *smallest, int64_t *total_s)
{
    int64_t value = 0;
    size_t digits = 0;

    while (digits < rest->len && rest->ptr[digits] >= '0' && rest->ptr[digits] <= '9') {
        value = value * 10 + (rest->ptr[digits] - '0');
        if (++digits > 9)
            return false;
    }
    if (digits == 0 || digits == rest->len)
        return false;
    for (size_t i = *smallest; i < ARRAY_LENGTH(units); i++) {
        if (units[i].letter != rest->ptr[digits])
            continue;
        *total_s += value * units[i].seconds;
        *smallest = i + 1;
        *rest = (struct text){rest->ptr + digits + 1, rest->len - digits - 1};
        return true;
    }
    return false;
}

int interval_parse(struct text text, int64_t *out_every_s, struct error *err)
{
    struct text rest = text;
    size_t smallest = 0;
    int64_t total_s = 0;
    char shown[SHOWN_SIZE];

    text_excerpt(text, shown, sizeof(shown));
    do {
        if (!take(&rest, &smallest, &total_s))
            return error_set(err, E_INVALID,
                             "\"%s\" is no interval: expected numbers with units, such as 15m, "
                             "1h30m or 2d (w, d, h, m and s, in this order)",
                             shown);
    } while (rest.len > 0);
    if (total_s < INTERVAL_MIN_S || total_s > INTERVAL_MAX_S)
        return error_set(err, E_INVALID, "the interval \"%s\" must be from 1m to 366d", shown);
    *out_every_s = total_s;
    return 0;
}

int64_t interval_next(const struct interval *interval, int64_t after_s)
{
    ASSERT(interval->every_s > 0);
    if (after_s < interval->start_s)
        return interval->start_s;
    return after_s - (after_s - interval->start_s) % interval->every_s + interval->every_s;
}

int interval_last(const struct interval *interval, int64_t at_s, int64_t *out_s)
{
    ASSERT(interval->every_s > 0);
    if (at_s < interval->start_s)
        return INTERVAL_NEVER;
    *out_s = at_s - (at_s - interval->start_s) % interval->every_s;
    return 0;
}
