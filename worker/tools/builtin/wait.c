/* The `wait` tool: see wait.h */

#include "worker/tools/builtin/wait.h"

#include <inttypes.h>

#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/json/json.h"
#include "shared/time/rfc3339.h"

const char wait_description[] =
    "Waits, and tells the time when it is over: for a number of seconds, or until an instant. Give "
    "exactly one of the two. Example: {\"seconds\": 3600}";

const char wait_parameters[] =
    "{\"type\":\"object\",\"properties\":{\"seconds\":{\"type\":\"integer\",\"description\":"
    "\"How long to wait\",\"minimum\":0,\"maximum\":31536000},\"until\":{\"type\":\"string\","
    "\"description\":\"RFC 3339 with an offset, for example 2026-03-29T01:30:00Z\"}},"
    "\"additionalProperties\":false}";

const char sleep_until_description[] =
    "Sleeps until a time, and tells the time then. Example: {\"time\": \"2026-03-29T01:30:00Z\"}";

const char sleep_until_parameters[] =
    "{\"type\":\"object\",\"properties\":{\"time\":{\"type\":\"string\",\"description\":\"RFC "
    "3339 with an offset\"}},\"required\":[\"time\"],\"additionalProperties\":false}";

static int until_ms(const char *name, struct text until, int64_t now_wall_ms, int64_t *out_ms,
                    struct error *err)
{
    int64_t unix_s;

    if (!rfc3339_parse(until, &unix_s))
        return error_set(err, E_INVALID,
                         "\"%s\" must be a time as in RFC 3339 with its offset, such as "
                         "2026-03-29T01:30:00Z or 2026-03-29T03:30:00+02:00",
                         name);
    *out_ms = unix_s * 1000 - now_wall_ms;
    return 0;
}

/* Within a year, and within the run. */
static int take(int64_t due_in_ms, int64_t left_ms, int64_t *out_due_in_ms, struct error *err)
{
    if (due_in_ms > WAIT_SECONDS_MAX * INT64_C(1000))
        return error_set(err, E_INVALID, "that is more than a year away");
    if (due_in_ms >= left_ms)
        return error_set(err, E_INVALID,
                         "this run ends in %" PRId64 " seconds, before that time comes",
                         left_ms > 0 ? left_ms / 1000 : 0);
    *out_due_in_ms = due_in_ms;
    return 0;
}

int wait_evaluate(struct json_object *arguments, int64_t now_wall_ms, int64_t left_ms,
                  int64_t *out_due_in_ms, struct error *err)
{
    struct json_object *seconds = json_get(arguments, "seconds");
    struct text until = json_get_text(arguments, "until");
    int64_t due_in_ms = 0;
    int r = 0;

    if (!seconds == !until.ptr)
        return error_set(err, E_INVALID, "give either \"seconds\" or \"until\"");
    if (seconds && json_object_get_int64(seconds) > WAIT_SECONDS_MAX)
        r = error_set(err, E_INVALID, "that is more than a year away");
    else if (seconds)
        due_in_ms = json_object_get_int64(seconds) * 1000;
    else
        r = until_ms("until", until, now_wall_ms, &due_in_ms, err);
    return r < 0 ? r : take(due_in_ms, left_ms, out_due_in_ms, err);
}

int sleep_until_evaluate(struct json_object *arguments, int64_t now_wall_ms, int64_t left_ms,
                         int64_t *out_due_in_ms, struct error *err)
{
    int64_t due_in_ms = 0;
    int r = until_ms("time", json_get_text(arguments, "time"), now_wall_ms, &due_in_ms, err);

    return r < 0 ? r : take(due_in_ms, left_ms, out_due_in_ms, err);
}
