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

#define ZONE_OFFSET_MAX_S (26 * 3600) /* no zone is further from UTC */

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

/* A time during which the clocks of a zone stay at one distance from UTC. */
struct zone_span {
    int64_t begin_s; /* INT64_MIN: it has always been so */
    int64_t end_s;   /* the first instant behind it; INT64_MAX: it stays so */
    int32_t offset_s;
};

/* The span that an instant is in. Two that follow each other may have the same offset. */
void zone_span_at(const struct zone *zone, int64_t unix_s, struct zone_span *out);

/* The first instant at which the clocks on the wall show a local time (seconds since 1970 without
 * an offset) or, where they skip it, have gone past it. So of an hour that happens twice it is in
 * the first one, and of an hour that never happens it is the end of what was skipped. */
int64_t zone_instant(const struct zone *zone, int64_t local_s);
