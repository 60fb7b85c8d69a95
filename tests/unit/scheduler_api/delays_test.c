/* When a run may begin, and when it is over, as its request says. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/submit/times/delays.h"

#define NOW_S  INT64_C(1700000000) /* 2023-11-14T22:13:20Z */
#define DAY_MS INT64_C(86400000)

static struct failure failure;
static struct delays found;

static int read(const char *request, bool late)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct error err;

    cr_assert_eq(json_decode(text_of(request), 20, &object, &err), 0, "%s", request);
    return delays_read(object, NOW_S * 1000 + 500, DAY_MS, late, &found, &failure);
}

static void expect(const char *request, int64_t delay_ms, int64_t expires_in_ms)
{
    cr_expect_eq(read(request, false), 0, "%s", request);
    cr_expect_eq(found.delay_ms, delay_ms, "%s: %" PRId64, request, found.delay_ms);
    cr_expect_eq(found.expires_in_ms, expires_in_ms, "%s: %" PRId64, request, found.expires_in_ms);
}

static void refused(const char *request, const char *param)
{
    cr_expect_eq(read(request, false), -E_INVALID, "%s", request);
    cr_expect_eq(failure.status, 400);
    cr_expect_str_eq(failure.param, param);
}

Test(delays, nothing_said_is_now_and_as_long_as_runs_may)
{
    expect("{}", 0, DAY_MS);
    expect("{\"start_after\":null,\"expires_in\":null,\"deadline\":null}", 0, DAY_MS);
}

Test(delays, a_start_is_an_instant_and_one_that_is_over_is_now)
{
    expect("{\"start_after\":1700000060}", 59500, DAY_MS);
    expect("{\"start_after\":\"2023-11-14T23:14:20+01:00\"}", 59500, DAY_MS);
    expect("{\"start_after\":1600000000}", 0, DAY_MS);
    cr_expect_eq(found.start_after_s, 1600000000);
    refused("{\"start_after\":1731622401}", "start_after");
}

Test(delays, an_end_is_so_long_after_the_start_or_an_instant_and_the_sooner_counts)
{
    expect("{\"expires_in\":60}", 0, 60000);
    expect("{\"expires_in\":864000}", 0, 10 * DAY_MS);
    expect("{\"start_after\":1700000060,\"expires_in\":60}", 59500, 60000);
    expect("{\"deadline\":1700000100}", 0, 99500);
    expect("{\"deadline\":1700864000}", 0, 10 * DAY_MS - 500);
    expect("{\"start_after\":1700000060,\"deadline\":1700000100}", 59500, 40000);
    expect("{\"deadline\":1700000100,\"expires_in\":60}", 0, 60000);
    expect("{\"deadline\":1700000050,\"expires_in\":60}", 0, 49500);
}

Test(delays, an_end_before_the_start_is_refused_but_for_a_request_that_was_in_time)
{
    refused("{\"deadline\":1700000000}", "deadline");
    refused("{\"start_after\":1700000060,\"deadline\":1700000060}", "deadline");
    refused("{\"deadline\":1800000000}", "deadline");
    cr_expect_eq(read("{\"deadline\":1600000000}", true), 0);
    cr_expect_eq(found.expires_in_ms, 1);
}

static bool is_instant(const char *value)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct path path = {NULL, "deadline", 0};
    struct error err;

    cr_assert_eq(json_decode(text_of(value), 20, &object, &err), 0, "%s", value);
    return check_instant(object, &path, &failure) == 0;
}

Test(delays, an_instant_is_unix_seconds_or_has_an_offset)
{
    cr_expect(is_instant("0"));
    cr_expect(is_instant("1700000000"));
    cr_expect(is_instant("\"2026-03-29T01:30:00Z\""));
    cr_expect(is_instant("\"2026-03-29T01:30:00+02:00\""));
    cr_expect(!is_instant("-1"));
    cr_expect(!is_instant("1.5"));
    cr_expect(!is_instant("true"));
    cr_expect(!is_instant("\"\""));
    cr_expect(!is_instant("\"1700000000\""));
    cr_expect(!is_instant("\"2026-03-29T01:30:00\""), "whose clocks?");
    cr_expect(!is_instant("\"tomorrow\""));
    cr_expect(!is_instant("[]"));
}
