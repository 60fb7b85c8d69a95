/* Tests of the wait tool. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/json/json.h"
#include "worker/tools/builtin/wait.h"

#define NOW_MS  INT64_C(1774747800000) /* 2026-03-29T01:30:00Z */
#define HOUR_MS 3600000

static struct error err;

static int evaluate(const char *arguments, int64_t left_ms, int64_t *out)
{
    CLEANUP(json_freep) struct json_object *object = NULL;

    cr_assert_eq(json_decode(text_of(arguments), JSON_DEPTH_DEFAULT, &object, &err), 0);
    return wait_evaluate(object, NOW_MS, left_ms, out, &err);
}

static void gives(const char *arguments, int64_t want)
{
    int64_t due = -1;
    int r = evaluate(arguments, HOUR_MS, &due);

    cr_assert_eq(r, 0, "%s: %s", arguments, r < 0 ? err.text : "");
    cr_assert_eq(due, want, "%s: %lld", arguments, (long long)due);
}

static void refuses(const char *arguments, int64_t left_ms, const char *why)
{
    int64_t due = -1;

    cr_assert_eq(evaluate(arguments, left_ms, &due), -E_INVALID, "%s", arguments);
    cr_assert_not_null(strstr(err.text, why), "%s: %s", arguments, err.text);
    cr_assert_eq(due, -1);
}

Test(wait, is_for_seconds_or_until_an_instant)
{
    gives("{\"seconds\": 90}", 90000);
    gives("{\"seconds\": 0}", 0);
    gives("{\"until\": \"2026-03-29T01:31:00Z\"}", 60000);
    gives("{\"until\": \"2026-03-29T03:31:00+02:00\"}", 60000);
    gives("{\"until\": \"2026-03-29T01:29:00Z\"}", -60000);
}

Test(wait, takes_exactly_one_of_the_two)
{
    refuses("{}", HOUR_MS, "either");
    refuses("{\"seconds\": 1, \"until\": \"2026-03-29T01:31:00Z\"}", HOUR_MS, "either");
    refuses("{\"seconds\": null}", HOUR_MS, "either");
    refuses("{\"until\": \"tomorrow\"}", HOUR_MS, "RFC 3339");
}

Test(wait, ends_before_its_run_does)
{
    gives("{\"seconds\": 3599}", 3599000);
    refuses("{\"seconds\": 3600}", HOUR_MS, "this run ends in 3600 seconds");
    refuses("{\"seconds\": 1}", -5, "ends in 0 seconds");
    refuses("{\"until\": \"2026-03-30T01:30:00Z\"}", HOUR_MS, "before that time comes");
    refuses("{\"seconds\": 31536001}", INT64_MAX, "more than a year");
}

static int64_t sleeps(const char *text, int64_t left_ms)
{
    CLEANUP(json_freep) struct json_object *arguments = NULL;
    int64_t due_in_ms = -1;

    cr_assert_eq(json_decode(text_of(text), 10, &arguments, &err), 0);
    return sleep_until_evaluate(arguments, NOW_MS, left_ms, &due_in_ms, &err) == 0 ? due_in_ms : -1;
}

Test(wait, sleep_until_takes_a_time_alone)
{
    cr_assert_eq(sleeps("{\"time\": \"2026-03-29T01:31:00Z\"}", HOUR_MS), 60000);
    cr_assert_eq(sleeps("{\"time\": \"2026-03-29T03:31:00\"}", HOUR_MS), -1);
    cr_assert_eq(sleeps("{\"time\": \"2026-03-29T02:31:00Z\"}", HOUR_MS), -1, "beyond its run");
}
