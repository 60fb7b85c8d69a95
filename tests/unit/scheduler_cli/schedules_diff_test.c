/* What `penstock apply` would change of schedules. */

#include <criterion/criterion.h>

#include "scheduler/cli/agents/schedules_diff.h"

#define AGENT "asst_1"

static struct json_object *of(const char *text)
{
    struct json_object *object = NULL;

    cr_assert_eq(json_decode(text_of(text), 8, &object, NULL), 0);
    return object;
}

/* What would be posted; NULL: nothing changes. */
static void check(const char *wanted, const char *have, const char *expected)
{
    CLEANUP(json_freep) struct json_object *want = of(wanted);
    CLEANUP(json_freep) struct json_object *there = have ? of(have) : NULL;
    CLEANUP(json_freep) struct json_object *body = NULL;
    enum agents_change change = schedules_diff(want, AGENT, there, &body);

    cr_assert_eq(change,
                 !expected ? AGENTS_SAME
                 : have    ? AGENTS_UPDATE
                           : AGENTS_CREATE,
                 "%s", wanted);
    if (expected)
        cr_assert_str_eq(json_text(body).ptr, expected);
}

#define HAVE(more)                                                                                 \
    "{\"id\":\"sched_1\",\"object\":\"schedule\",\"assistant_id\":\"" AGENT                        \
    "\",\"name\":\"n\",\"overlap\":\"skip\",\"jitter\":0,\"thread\":\"new\",\"metadata\":{},"      \
    "\"state\":\"active\",\"fired\":3,\"input\":null," more "}"

Test(schedules_diff, a_new_one_is_made_with_its_agent)
{
    check("{\"name\":\"n\",\"agent\":\"a\",\"every\":\"5m\"}", NULL,
          "{\"name\":\"n\",\"every\":\"5m\",\"assistant_id\":\"" AGENT "\"}");
}

Test(schedules_diff, what_is_written_otherwise_and_means_the_same_is_no_change)
{
    check("{\"name\":\"n\",\"agent\":\"a\",\"every\":\"90m\"}", HAVE("\"every\":\"1h30m\""), NULL);
    check("{\"name\":\"n\",\"agent\":\"a\",\"run_at\":\"2030-07-01T12:00:00\"}",
          HAVE("\"run_at\":\"2030-07-01T12:00:00-04:00\""), NULL);
    check("{\"name\":\"n\",\"agent\":\"a\",\"run_at\":\"2030-07-01T16:00:00Z\"}",
          HAVE("\"run_at\":\"2030-07-01T12:00:00-04:00\""), NULL);
    check("{\"name\":\"n\",\"agent\":\"a\",\"every\":\"5m\",\"thread_id\":\"t\"}",
          HAVE("\"every\":\"5m\",\"thread\":\"lasting\",\"thread_id\":\"t\""), NULL);
}

Test(schedules_diff, what_is_said_anew_or_not_any_more_is_posted)
{
    check("{\"name\":\"n\",\"agent\":\"a\",\"cron\":\"@daily\"}",
          HAVE("\"cron\":\"@hourly\",\"max_failures\":3,\"model\":\"m\",\"start_at\":\"x\""),
          "{\"cron\":\"@daily\",\"max_failures\":null,\"model\":null}");
}

Test(schedules_diff, another_agent_is_a_change)
{
    check("{\"name\":\"n\",\"agent\":\"a\"}", "{\"name\":\"n\",\"assistant_id\":\"asst_2\"}",
          "{\"assistant_id\":\"" AGENT "\"}");
}
