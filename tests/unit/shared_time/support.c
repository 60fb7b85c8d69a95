/* What the tests of shared/time share. */

#include "support.h"

#include "shared/time/rfc3339.h"

const struct zone *zone_of(const char *name)
{
    const struct zone *zone = NULL;
    struct error err = {0};

    cr_assert_eq(zone_get(text_of(name), &zone, &err), 0, "%s", err.text);
    return zone;
}

int64_t instant_of(const char *rfc3339)
{
    int64_t unix_s = 0;

    cr_assert(rfc3339_parse(text_of(rfc3339), &unix_s), "%s", rfc3339);
    return unix_s;
}

const char *shown(const struct zone *zone, int64_t unix_s)
{
    static char out[RFC3339_SIZE];

    rfc3339_format(unix_s, zone_offset(zone, unix_s), out);
    return out;
}
