/* The current_time tool. Expected values are those of GNU date with the same
 * database. */

#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/time/rfc3339.h"
#include "worker/tools/builtin/current_time.h"

static int evaluate(const char *arguments, int64_t now_ms, struct buf *out, struct error *err)
{
    struct json_object *object = NULL;
    int r;

    cr_assert_eq(json_decode(text_of(arguments), 8, &object, err), 0, "%s", err->text);
    r = current_time_evaluate(object, now_ms, out, err);
    json_free(object);
    return r;
}

static void expect_iso(const char *zone, const char *at, const char *iso)
{
    char arguments[200];
    struct json_object *result = NULL;
    struct error err = {0};
    struct buf out;

    snprintf(arguments, sizeof(arguments), "{\"timezone\":\"%s\",\"at\":\"%s\"}", zone, at);
    buf_init(&out, 0);
    cr_assert_eq(evaluate(arguments, 0, &out, &err), 0, "%s: %s", arguments, err.text);
    cr_assert_eq(json_decode(buf_text(&out), 8, &result, &err), 0);
    cr_assert_str_eq(json_get_string(result, "iso8601"), iso, "%s in %s: %s, expected %s", at, zone,
                     json_get_string(result, "iso8601"), iso);
    json_free(result);
    buf_deinit(&out);
}

Test(current_time, now_in_utc_where_no_zone_is_named)
{
    struct error err = {0};
    struct buf out;

    buf_init(&out, 0);
    cr_assert_eq(evaluate("{}", 1774747800999, &out, &err), 0, "%s", err.text);
    cr_assert_str_eq(buf_string(&out),
                     "{\"timezone\":\"UTC\",\"iso8601\":\"2026-03-29T01:30:00+00:00\","
                     "\"date\":\"2026-03-29\",\"time\":\"01:30:00\",\"weekday\":\"Sunday\","
                     "\"utc_offset\":\"+00:00\",\"unix\":1774747800}");
    buf_reset(&out);
    cr_assert_eq(current_time_evaluate(NULL, 0, &out, &err), 0);
    cr_assert(strstr(buf_string(&out), "1970-01-01T00:00:00+00:00"));
    cr_assert(strstr(buf_string(&out), "Thursday"));
    buf_deinit(&out);
}

Test(current_time, now_in_a_zone)
{
    struct error err = {0};
    struct buf out;

    buf_init(&out, 0);
    cr_assert_eq(evaluate("{\"timezone\":\"Asia/Kolkata\"}", 1774747800000, &out, &err), 0);
    cr_assert_str_eq(buf_string(&out),
                     "{\"timezone\":\"Asia/Kolkata\",\"iso8601\":\"2026-03-29T07:00:00+05:30\","
                     "\"date\":\"2026-03-29\",\"time\":\"07:00:00\",\"weekday\":\"Sunday\","
                     "\"utc_offset\":\"+05:30\",\"unix\":1774747800}");
    buf_deinit(&out);
}

Test(current_time, summer_time_begins_and_ends_to_the_second)
{
    expect_iso("Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29T01:59:59+01:00");
    expect_iso("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00+02:00");
    expect_iso("Europe/Berlin", "2026-10-25T00:59:59Z", "2026-10-25T02:59:59+02:00");
    expect_iso("Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00+01:00");
    expect_iso("America/New_York", "2024-03-10T06:59:59Z", "2024-03-10T01:59:59-05:00");
    expect_iso("America/New_York", "2024-03-10T07:00:00Z", "2024-03-10T03:00:00-04:00");
    expect_iso("America/New_York", "2024-11-03T06:00:00Z", "2024-11-03T01:00:00-05:00");
}

Test(current_time, the_southern_summer_goes_over_the_new_year)
{
    expect_iso("Australia/Sydney", "2026-01-01T00:00:00Z", "2026-01-01T11:00:00+11:00");
    expect_iso("Australia/Sydney", "2026-07-01T00:00:00Z", "2026-07-01T10:00:00+10:00");
    expect_iso("Australia/Sydney", "2100-01-01T00:00:00Z", "2100-01-01T11:00:00+11:00");
    expect_iso("Australia/Sydney", "2100-07-01T00:00:00Z", "2100-07-01T10:00:00+10:00");
    expect_iso("Australia/Lord_Howe", "2026-01-01T00:00:00Z", "2026-01-01T11:00:00+11:00");
    expect_iso("Australia/Lord_Howe", "2026-07-01T00:00:00Z", "2026-07-01T10:30:00+10:30");
}

Test(current_time, odd_offsets_are_kept)
{
    expect_iso("Asia/Kathmandu", "2026-06-01T00:00:00Z", "2026-06-01T05:45:00+05:45");
    expect_iso("Pacific/Chatham", "2026-01-15T00:00:00Z", "2026-01-15T13:45:00+13:45");
    expect_iso("Pacific/Kiritimati", "2026-01-01T00:00:00Z", "2026-01-01T14:00:00+14:00");
    expect_iso("America/St_Johns", "2026-01-01T00:00:00Z", "2025-12-31T20:30:00-03:30");
    expect_iso("Etc/GMT+5", "2026-01-01T00:00:00Z", "2025-12-31T19:00:00-05:00");
    expect_iso("Europe/Dublin", "2050-01-15T12:00:00Z", "2050-01-15T12:00:00+00:00");
    expect_iso("Europe/Dublin", "2050-07-15T12:00:00Z", "2050-07-15T13:00:00+01:00");
    expect_iso("America/Nuuk", "2050-03-27T00:59:59Z", "2050-03-26T22:59:59-02:00");
    expect_iso("America/Nuuk", "2050-03-27T01:00:00Z", "2050-03-27T00:00:00-01:00");
}

Test(current_time, the_far_future_follows_the_rule_at_the_end_of_the_file)
{
    expect_iso("Europe/Berlin", "2100-03-28T00:59:59Z", "2100-03-28T01:59:59+01:00");
    expect_iso("Europe/Berlin", "2100-03-28T01:00:00Z", "2100-03-28T03:00:00+02:00");
    expect_iso("Europe/Berlin", "9999-07-01T00:00:00Z", "9999-07-01T02:00:00+02:00");
    expect_iso("Asia/Tokyo", "9999-12-31T23:59:59Z", "10000-01-01T08:59:59+09:00");
    expect_iso("America/New_York", "2500-12-25T00:00:00Z", "2500-12-24T19:00:00-05:00");
}

Test(current_time, the_past_is_told_by_the_file)
{
    expect_iso("Europe/Berlin", "1945-06-01T00:00:00Z", "1945-06-01T03:00:00+03:00");
    expect_iso("Europe/Berlin", "1890-01-01T00:00:00Z", "1890-01-01T00:53:28+00:53:28");
    expect_iso("Europe/London", "1970-01-01T00:00:00Z", "1970-01-01T01:00:00+01:00");
    expect_iso("UTC", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00");
    expect_iso("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T23:59:59-10:00");
    expect_iso("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T00:00:00+14:00");
}

Test(current_time, an_instant_with_any_offset_is_converted)
{
    expect_iso("UTC", "2026-03-29T03:30:00+02:00", "2026-03-29T01:30:00+00:00");
    expect_iso("UTC", "2026-03-29t03:30:00.999-05:30", "2026-03-29T09:00:00+00:00");
    expect_iso("UTC", "2024-02-29 23:59:60z", "2024-03-01T00:00:00+00:00");
    expect_iso("Asia/Tokyo", "2026-12-31T18:00:00+00:00", "2027-01-01T03:00:00+09:00");
}

Test(current_time, what_is_no_instant_is_refused)
{
    static const char *const texts[] = {
        "",
        "now",
        "2026-03-29",
        "2026-03-29T01:30:00",
        "2026-03-29T01:30Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00+0200",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00Zx",
        "0000-01-01T00:00:00Z",
        "+026-01-01T00:00:00Z",
        "2026-01-01T00:00:00+02:00 ",
    };
    int64_t unix_s = 7;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        cr_assert(!rfc3339_parse(text_of(texts[i]), &unix_s), "%s", texts[i]);
    cr_assert_eq(unix_s, 7);
}

Test(current_time, wrong_arguments_are_told_with_what_would_be_right)
{
    static const char *const arguments[] = {
        "{\"timezone\":\"Mars/Olympus\"}",
        "{\"timezone\":\"\"}",
        "{\"timezone\":5}",
        "{\"timezone\":\"../../etc/passwd\"}",
        "{\"timezone\":\"/etc/passwd\"}",
        "{\"timezone\":\"Europe/../Europe/Berlin\"}",
        "{\"timezone\":\"zone.tab\"}",
        "{\"timezone\":\"zone1970\"}",
        "{\"timezone\":\"Europe\"}",
        "{\"timezone\":\"Europe/\"}",
        "{\"timezone\":\"right/Europe/Berlin\"}",
        "{\"timezone\":\"Europe//Berlin\"}",
        "{\"timezone\":\"Europe/Berlin \"}",
        "{\"at\":\"tomorrow\"}",
        "{\"at\":12}",
        ("{\"timezone\":"
         "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"),
    };

    for (size_t i = 0; i < ARRAY_LENGTH(arguments); i++) {
        struct error err = {0};
        struct buf out;

        buf_init(&out, 0);
        cr_assert_eq(evaluate(arguments[i], 0, &out, &err), -E_INVALID, "%s", arguments[i]);
        cr_assert(strstr(err.text, "such as") || strstr(err.text, "must be"), "%s", err.text);
        cr_assert_eq(out.len, 0);
        buf_deinit(&out);
    }
}

/* A real file, cut short at every byte, and with each byte changed: never more than an error. */
/* Names of every length and width of character, refused with the name in the text. */
Test(current_time, says_which_zone_is_unknown_in_whole_characters)
{
    static const char *const characters[] = {"a", "\xc3\xa9", "\xe5\xa4\xa9", "\xf0\x9f\x98\x80"};

    for (size_t i = 0; i < ARRAY_LENGTH(characters); i++) {
        for (int count = 1; count < 100; count++) {
            struct buf name, arguments, out;
            struct error err;

            buf_init(&name, 0);
            buf_init(&arguments, 0);
            buf_init(&out, 0);
            for (int k = 0; k < count; k++)
                buf_add_string(&name, characters[i]);
            buf_add_string(&arguments, "{\"timezone\":");
            buf_add_json(&arguments, buf_text(&name));
            buf_add_char(&arguments, '}');
            cr_assert_eq(evaluate(buf_string(&arguments), 0, &out, &err), -E_INVALID);
            cr_assert(text_is_utf8(text_of(err.text)), "%d", count);
            cr_assert(text_starts(text_of(err.text), "unknown time zone \""), "%s", err.text);
            buf_deinit(&name);
            buf_deinit(&arguments);
            buf_deinit(&out);
        }
    }
}

/* More zones than stay in memory, each asked for twice. */
