#pragma once
/* Time zones from the system's database (package tzdata), without touching the process's own TZ.
 *
 * A file is TZif, version 2 or later (RFC 8536): transitions, and a footer with the rule for the
 * time after the last of them.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;
struct zone;

#define ZONE_NAME_MAX 64

#define ZONE_CACHE_MAX 128 /* zones that stay in memory, of 8 KiB or so each */

/* The zone of an IANA name ("Europe/Berlin"); "UTC" needs no database. Returns 0 with *out, which
 * is borrowed until the next call, or -E_INVALID: no such zone. Reads a file of some KiB when the
 * zone is not in memory (zone.c says how long that takes). */
MUSTCHECK int zone_get(struct text name, const struct zone **out, struct error *err);

/* From the bytes of a TZif file, borrowed during the call. Returns 0 or -E_INVALID. The zone is the
 * caller's to free. Pure. */
MUSTCHECK int zone_parse(struct text bytes, struct zone **out, struct error *err);
void zone_freep(struct zone **zone);

/* Seconds east of UTC at an instant (seconds since 1970). */
int32_t zone_offset(const struct zone *zone, int64_t unix_s);
