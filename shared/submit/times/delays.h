#pragma once
/* When a run may begin, and when it is over, as its request says. Pure. */

#include "shared/check/fields.h"
#include "shared/json/json.h"

#define DELAY_MAX_S (INT64_C(366) * 86400) /* a start, and what a run may take from then on */

/* An instant: unix seconds, or RFC 3339 with an offset. null passes. */
int check_instant(struct json_object *value, const struct path *path, struct failure *failure);

struct delays {
    int64_t delay_ms;      /* until it is due; 0: it is */
    int64_t expires_in_ms; /* from then on; > 0 */
    int64_t start_after_s; /* unix time, as it was said; 0: it was not */
};

/* Of a checked request: "start_after", "expires_in" (seconds from when it is due), "deadline" (an
 * instant); of the last two the sooner counts, and where neither is there ttl_ms. With `late` an
 * end that is over already is no mistake: the request was in time when it was first sent. Returns
 * 0, or -E_INVALID with *failure. */
MUSTCHECK int delays_read(struct json_object *request, int64_t now_wall_ms, int64_t ttl_ms,
                          bool late, struct delays *out, struct failure *failure);
