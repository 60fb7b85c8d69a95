/* The `current_time` tool. Pure but for the file of the time zone: the time is a parameter. */

#include "worker/tools/builtin/current_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/time/rfc3339.h"
#include "shared/time/zone.h"
#include "shared/time/zone_rule.h"

#define DAY_S 86400

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

/* "+05:30", with seconds where a zone of long ago has them. */
static void write_time(struct buf *out, struct text zone_name, int64_t unix_s, int32_t offset_s)
{
    static const char *const weekdays[] = {"Thursday", "Friday",  "Saturday", "Sunday",
                                           "Monday",   "Tuesday", "Wednesday"};
    int64_t days = floor_divide(unix_s + offset_s, DAY_S);
    char iso[RFC3339_SIZE];
    const char *time;

    rfc3339_format(unix_s, offset_s, iso);
    time = strchr(iso, 'T') + 1;
    buf_add_string(out, "{\"timezone\":");
    buf_add_json(out, zone_name);
    buf_printf(out,
               ",\"iso8601\":\"%s\",\"date\":\"%.*s\",\"time\":\"%.8s\",\"weekday\":\"%s\","
               "\"utc_offset\":\"%s\",\"unix\":%" PRId64 "}",
               iso, (int)(time - iso) - 1, iso, time, weekdays[(days % 7 + 7) % 7], time + 8,
               unix_s);
}

static int text_argument(struct json_object *arguments, const char *name, struct text *out,
                         struct error *err)
{
    struct json_object *value = json_get(arguments, name);

    if (!value)
        return 0;
    if (!json_string(value).ptr)
        return error_set(err, E_INVALID, "\"%s\" must be a string", name);
    *out = json_string(value);
    return 0;
}

int current_time_evaluate(struct json_object *arguments, int64_t now_wall_ms, struct buf *out,
                          struct error *err)
{
    const struct zone *zone = NULL;
    struct text name = TEXT("UTC");
    struct text at = TEXT_NONE;
    int64_t unix_s = floor_divide(now_wall_ms, 1000);
    int r = text_argument(arguments, "timezone", &name, err);

    if (r == 0)
        r = text_argument(arguments, "at", &at, err);
    if (r == 0 && at.ptr && !rfc3339_parse(at, &unix_s))
        r = error_set(err, E_INVALID,
                      "\"at\" must be a time as in RFC 3339 with its offset, such as "
                      "2026-03-29T01:30:00Z or 2026-03-29T03:30:00+02:00");
    if (r == 0)
        r = zone_get(name, &zone, err);
    if (r < 0)
        return r;
    write_time(out, name, unix_s, zone_offset(zone, unix_s));
    return buf_check(out, err);
}
