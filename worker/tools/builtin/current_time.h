#pragma once
/* The `current_time` tool: what time it is, or was, or will be, in a time zone.
 *
 *   {"timezone": "Europe/Berlin"}                               now; UTC where no zone is named
 *   {"timezone": "Asia/Tokyo", "at": "2026-03-29T01:30:00Z"}    that instant, there
 *
 * The result is an object: timezone, iso8601, date, time, weekday, utc_offset, unix.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;
struct json_object;

/* Appends JSON. `arguments` may be NULL (none). Returns 0, or -E_INVALID with what would be
 * right. */
MUSTCHECK int current_time_evaluate(struct json_object *arguments, int64_t now_wall_ms,
                                    struct buf *out, struct error *err);
