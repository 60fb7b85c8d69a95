/* One instant, as a person gives it. */

#include "shared/time/run_at.h"

#include "shared/base/error.h"
#include "shared/time/rfc3339.h"
#include "shared/time/zone.h"

#define SHOWN_SIZE 48

int run_at_parse(struct text text, const struct zone *zone, int64_t *out_unix_s, struct error *err)
{
    char shown[SHOWN_SIZE];
    int64_t local_s;

    if (rfc3339_parse(text, out_unix_s))
        return 0;
    if (rfc3339_parse_local(text, &local_s)) {
        *out_unix_s = zone_instant(zone, local_s);
        return 0;
    }
    text_excerpt(text, shown, sizeof(shown));
    return error_set(err, E_INVALID,
                     "\"%s\" is no time: expected RFC 3339 such as 2026-03-29T09:30:00Z or "
                     "2026-03-29T09:30:00+02:00, or without an offset 2026-03-29T09:30:00",
                     shown);
}
