#pragma once
/* One instant, as a person gives it: RFC 3339 with an offset ("2026-03-29T02:30:00+01:00"), or
 * without one ("2026-03-29T02:30:00") as the clocks of a zone show it. Pure.
 *
 * A local time that happens twice is the first of the two; one that the clocks skip is the end of
 * what they skip: as with the fixed times of cron (cron_times.h).
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;
struct zone;

/* Returns 0 or -E_INVALID. */
MUSTCHECK int run_at_parse(struct text text, const struct zone *zone, int64_t *out_unix_s,
                           struct error *err);
