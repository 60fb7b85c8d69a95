/* From a firing to the request for its run. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/schedules/schedule_ask.h"

static struct firing_taken taken_of(const char *request)
{
    return (struct firing_taken){
        .firing = {.nominal = 1774753200}, /* 2026-03-29T03:00:00Z, past the change in Berlin */
        .schedule = {.id = {{1}},
                     .agent = {{2}},
                     .name = TEXT("news"),
                     .zone = TEXT("Europe/Berlin"),
                     .metadata = TEXT("{\"a\":\"b\"}"),
                     .request = text_of(request)},
    };
}

static struct json_object *asked(const struct firing_taken *taken, struct text result)
{
    struct json_object *request = NULL;
    struct error err;

    cr_assert_eq(json_decode(taken->schedule.request, 8, &request, &err), 0);
    cr_assert_eq(schedule_ask(taken, result, request, &err), 0, "%s", err.text);
    return request;
}

Test(schedule_ask, a_template_is_filled)
{
    struct firing_taken taken = taken_of(
        "{\"input\":\"{{fire_time}}|{{ last_fire_time }}|{{schedule_name}}|{{last_result}}|{x}\"}");
    struct json_object *request = asked(&taken, TEXT("a {{fire_time}}"));

    cr_assert_str_eq(json_get_string(request, "input"),
                     "2026-03-29T05:00:00+02:00||news|a {{fire_time}}|{x}");
    json_free(request);
    taken.last_fire = 1774753200 - 5 * 3600;
    request = asked(&taken, TEXT_NONE);
    cr_assert_str_eq(json_get_string(request, "input"),
                     "2026-03-29T05:00:00+02:00|2026-03-28T23:00:00+01:00|news||{x}");
    cr_assert(schedule_wants_result(request) == false, "it is filled");
    json_free(request);
}

Test(schedule_ask, what_the_run_is_told_beside)
{
    struct firing_taken taken = taken_of("{\"variables\":{\"timezone\":\"UTC\"},\"model\":\"m\"}");
    struct json_object *request = asked(&taken, TEXT_NONE);
    struct json_object *variables = json_get(request, "variables");

    cr_assert_str_eq(json_get_string(request, "assistant_id"),
                     "asst_02000000000000000000000000000000");
    cr_assert_str_eq(json_get_string(variables, "timezone"), "UTC");
    cr_assert_str_eq(json_get_string(variables, "fire_time"), "2026-03-29T05:00:00+02:00");
    cr_assert_str_eq(json_get_string(json_get(request, "metadata"), "schedule_id"),
                     "sched_01000000000000000000000000000000");
    cr_assert_str_eq(json_get_string(json_get(request, "metadata"), "a"), "b");
    cr_assert_null(json_get(request, "multitask_strategy"));
    cr_assert_null(json_get(request, "truncation_strategy"), "its thread is short");
    cr_assert(schedule_tells_task(request));
    json_free(request);
    taken.schedule.lasting = true;
    taken.schedule.thread = (struct uuid){{3}};
    request = asked(&taken, TEXT_NONE);
    cr_assert_str_eq(json_get_string(request, "multitask_strategy"), "enqueue");
    cr_assert_eq(json_get_int(json_get(request, "truncation_strategy"), "last_messages", 0),
                 SCHEDULE_MESSAGES);
    json_free(request);
    taken.schedule.request = TEXT("{\"truncation_strategy\":{\"type\":\"auto\"}}");
    request = asked(&taken, TEXT_NONE);
    cr_assert_null(json_get(json_get(request, "truncation_strategy"), "last_messages"),
                   "what is said counts");
    json_free(request);
}

Test(schedule_ask, a_place_for_something_else_is_refused)
{
    struct failure failure = {0};

    cr_assert_eq(schedule_input_check(TEXT("{{fire_time}} {{last_result}} {{x y}}"), &failure), 0);
    cr_assert_eq(schedule_input_check(TEXT("{{fire_tmie}}"), &failure), -E_INVALID);
    cr_assert_str_eq(failure.param, "input");
    cr_assert(strstr(failure.message, "'fire_tmie'"), "%s", failure.message);
}
