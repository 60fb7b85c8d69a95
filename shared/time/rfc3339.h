#pragma once
/* Times as RFC 3339 writes them: "2026-03-29T01:30:00Z", "2026-03-29T01:30:00.5+02:00". Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define RFC3339_LAST_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* With an offset, years 0001 to 9999; fractions are cut off, a leap second is the second after it.
 * False, output untouched, for anything else. */
MUSTCHECK bool rfc3339_parse(struct text text, int64_t *out_unix_s);

/* The same without an offset, as seconds since 1970 of some zone's own clocks. */
MUSTCHECK bool rfc3339_parse_local(struct text text, int64_t *out_local_s);

/* "2026-03-29T03:30:00+02:00", from an instant and the seconds east of UTC; what is left of a
 * minute of an offset (before 1900) follows as ":SS". A year before 0000 or after 9999 has more
 * characters. */
#define RFC3339_SIZE 64
void rfc3339_format(int64_t unix_s, int32_t offset_s, char out[RFC3339_SIZE]);
