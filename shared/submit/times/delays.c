/* When a run may begin, and when it is over. */

#include "shared/submit/times/delays.h"

#include "shared/check/failure.h"
#include "shared/time/rfc3339.h"

/* False: it is none. */
static bool read_instant(struct json_object *value, int64_t *out_s)
{
    if (json_type_of(value) != json_type_int)
        return rfc3339_parse(json_string(value), out_s);
    *out_s = json_object_get_int64(value);
    return *out_s >= 0;
}

int check_instant(struct json_object *value, const struct path *path, struct failure *failure)
{
    int64_t unix_s;

    if (!value || read_instant(value, &unix_s))
        return 0;
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid '%s': expected a time, as unix seconds or as RFC 3339 writes it "
                       "with an offset, such as 2026-03-29T01:30:00Z.",
                       path->name);
}

static int read_start(struct json_object *request, int64_t now_ms, struct delays *out,
                      struct failure *failure)
{
    struct json_object *said = json_get(request, "start_after");

    if (!said || !read_instant(said, &out->start_after_s))
        return 0;
    if (out->start_after_s > now_ms / 1000 + DELAY_MAX_S)
        return failure_param(failure, 400, "start_after", "invalid_value",
                             "Invalid 'start_after': that is more than a year away.");
    out->delay_ms = out->start_after_s * 1000 - now_ms;
    if (out->delay_ms < 0)
        out->delay_ms = 0;
    return 0;
}

static int read_deadline(struct json_object *request, int64_t now_ms, bool late, struct delays *out,
                         struct failure *failure)
{
    struct json_object *said = json_get(request, "deadline");
    int64_t deadline_s;
    int64_t left_ms;

    if (!said || !read_instant(said, &deadline_s))
        return 0;
    if (deadline_s > now_ms / 1000 + 2 * DELAY_MAX_S)
        return failure_param(failure, 400, "deadline", "invalid_value",
                             "Invalid 'deadline': that is more than two years away.");
    left_ms = deadline_s * 1000 - now_ms - out->delay_ms;
    if (left_ms <= 0 && !late)
        return failure_param(failure, 400, "deadline", "invalid_value", "Invalid 'deadline': %s.",
                             out->delay_ms > 0 ? "it is before the run may begin ('start_after')"
                                               : "that time is over");
    if (left_ms < out->expires_in_ms)
        out->expires_in_ms = left_ms > 0 ? left_ms : 1;
    return 0;
}

int delays_read(struct json_object *request, int64_t now_wall_ms, int64_t ttl_ms, bool late,
                struct delays *out, struct failure *failure)
{
    struct delays delays = {.expires_in_ms = ttl_ms};
    bool ends = json_get(request, "deadline") && !json_get(request, "expires_in");
    int r = read_start(request, now_wall_ms, &delays, failure);

    if (ends)
        delays.expires_in_ms = INT64_MAX;
    if (json_get(request, "expires_in"))
        delays.expires_in_ms = json_get_int(request, "expires_in", 0) * 1000;
    if (r == 0)
        r = read_deadline(request, now_wall_ms, late, &delays, failure);
    if (r == 0)
        *out = delays;
    return r;
}
