#pragma once
/* Times as RFC 3339 writes them: "2026-03-29T01:30:00Z", "2026-03-29T01:30:00.5+02:00". Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* With an offset, years 0001 to 9999; fractions are cut off, a leap second is the second after it.
 * False, output untouched, for anything else. */
MUSTCHECK bool rfc3339_parse(struct text text, int64_t *out_unix_s);
