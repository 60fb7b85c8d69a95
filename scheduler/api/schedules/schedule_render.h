#pragma once
/* Schedules and their firings as JSON text. Pure but for the zone's file. */

#include "shared/store/schedules/firings.h"
#include "shared/store/schedules/schedules.h"

/* With when it fires next, as seen from an instant. Returns 0, or -E_INVALID: what is stored of its
 * runs is no JSON object. */
MUSTCHECK int render_schedule(const struct schedule *schedule, int64_t now_s, struct buf *out,
                              struct error *err);

void render_firing(const struct firing *firing, struct text zone, struct buf *out);

/* An instant in a zone, as RFC 3339 has it. */
struct json_write;
void render_time(struct json_write *write, const char *name, struct text zone, int64_t at_s);
