/* Any text as a cron expression, in a zone and from an instant that its first bytes choose: refused
 * with a reason, or times that go on, forth and back, with none between. */

#include <inttypes.h>

#include "shared/base/error.h"
#include "shared/time/cron.h"
#include "shared/time/cron_parse.h"
#include "shared/time/cron_times.h"
#include "shared/time/zone.h"

#define FIRST_S INT64_C(-62135596800) /* the year 1 */
#define YEARS_S INT64_C(315537897600) /* to the year 9999 */
#define TIMES   4

static const char *const zones[] = {"UTC",
                                    "Europe/Berlin",
                                    "America/New_York",
                                    "America/Santiago",
                                    "Australia/Lord_Howe",
                                    "Pacific/Apia",
                                    "Pacific/Kwajalein",
                                    "Africa/Casablanca"};

static void check_between(const struct cron *cron, const struct zone *zone, int64_t at_s,
                          int64_t next_s)
{
    int64_t back_s;

    ASSERT(next_s > at_s);
    if (cron_last(cron, zone, next_s, &back_s) != 0)
        ASSERT(false);
    ASSERT(back_s == next_s);
    if (cron_last(cron, zone, next_s - 1, &back_s) == 0)
        ASSERT(back_s <= at_s);
}

static void check_times(const struct cron *cron, const struct zone *zone, int64_t from_s)
{
    int64_t window_s[] = {from_s + 1, INT64_MAX};
    int64_t window[TIMES], at_s = from_s, next_s;
    size_t count = 0;

    while (count < TIMES && cron_next(cron, zone, at_s, &next_s) == 0) {
        check_between(cron, zone, at_s, next_s);
        window[count++] = at_s = next_s;
    }
    ASSERT(count == TIMES || !cron->fixed);
    window_s[1] = count > 0 ? window[count - 1] : from_s + 1;
    ASSERT(cron_window(cron, zone, window_s, window, TIMES) == count);
    ASSERT(count == 0 || window[count - 1] == window_s[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct zone *zone = NULL;
    struct error err = {0};
    struct cron cron;
    uint64_t from = 0;

    if (size < 9)
        return 0;
    for (size_t i = 1; i < 9; i++)
        from = from << 8 | data[i];
    if (zone_get(text_of(zones[data[0] % ARRAY_LENGTH(zones)]), &zone, &err) < 0)
        return 0; /* no database here */
    if (cron_parse((struct text){(const char *)data + 9, size - 9}, &cron, &err) < 0) {
        ASSERT(err.code == E_INVALID && err.text[0]);
        return 0;
    }
    check_times(&cron, zone, FIRST_S + (int64_t)(from % (uint64_t)YEARS_S));
    return 0;
}
