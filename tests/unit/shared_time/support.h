#pragma once
/* What the tests of shared/time share: zones and instants that must be there. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/time/zone.h"

const struct zone *zone_of(const char *name);
int64_t instant_of(const char *rfc3339);

/* As rfc3339_format, at the zone's offset; valid until the next call. */
const char *shown(const struct zone *zone, int64_t unix_s);
