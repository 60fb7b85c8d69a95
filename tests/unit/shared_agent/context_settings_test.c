/* What is said of memory, and who outranks whom. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "shared/agent/context_settings.h"
#include "shared/agent/spec.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"

static struct failure failure;

/* NULL: accepted; else the member that is refused. */
static const char *refused(const char *body)
{
    CLEANUP(json_freep) struct json_object *object = NULL;

    cr_assert_eq(json_decode(text_of(body), 20, &object, NULL), 0, "%s", body);
    if (fields_check(agent_fields, object, NULL, &failure) == 0)
        return NULL;
    cr_assert_eq(failure.status, 400);
    return failure.param;
}

Test(context_settings, an_agent_says_them_within_their_limits)
{
    static const struct {
        const char *body;
        const char *param; /* NULL: accepted */
        const char *code;
    } cases[] = {
        {"{\"memory_strategy\":null,\"memory_config\":null}", NULL, NULL},
        {"{\"memory_strategy\":\"auto\"}", NULL, NULL},
        {"{\"memory_strategy\":\"none\"}", NULL, NULL},
        {"{\"memory_strategy\":\"last_messages\"}", NULL, NULL},
        {"{\"memory_strategy\":\"buffer\",\"memory_config\":{}}", NULL, NULL},
        {"{\"memory_strategy\":\"first_last\",\"memory_config\":{\"max_messages\":4000,"
         "\"max_tokens\":256,\"preserve_first\":0}}",
         NULL, NULL},
        {"{\"memory_config\":{\"max_messages\":null,\"preserve_first\":1000}}", NULL, NULL},
        {"{\"memory_strategy\":\"vector\",\"memory_config\":{\"top_k\":50,"
         "\"score_threshold\":0.35}}",
         NULL, NULL},
        {"{\"memory_config\":{\"top_k\":null,\"score_threshold\":null}}", NULL, NULL},
        {"{\"memory_config\":{\"score_threshold\":1}}", NULL, NULL},
        {"{\"memory_config\":{\"top_k\":0}}", "memory_config.top_k", "integer_below_min_value"},
        {"{\"memory_config\":{\"top_k\":51}}", "memory_config.top_k", "integer_above_max_value"},
        {"{\"memory_config\":{\"score_threshold\":1.1}}", "memory_config.score_threshold",
         "decimal_above_max_value"},
        {"{\"memory_config\":{\"score_threshold\":\"much\"}}", "memory_config.score_threshold",
         "invalid_type"},
        {"{\"memory_strategy\":\"newest\"}", "memory_strategy", "invalid_value"},
        {"{\"memory_strategy\":7}", "memory_strategy", "invalid_type"},
        {"{\"memory_strategy\":\"summarize\",\"memory_config\":{\"trigger_tokens\":256,"
         "\"summary_model\":\"groq/small\"}}",
         NULL, NULL},
        {"{\"memory_strategy\":\"summary\"}", NULL, NULL},
        {"{\"memory_config\":[]}", "memory_config", "invalid_type"},
        {"{\"memory_config\":{\"max_messages\":0}}", "memory_config.max_messages",
         "integer_below_min_value"},
        {"{\"memory_config\":{\"max_messages\":4001}}", "memory_config.max_messages",
         "integer_above_max_value"},
        {"{\"memory_config\":{\"max_messages\":\"5\"}}", "memory_config.max_messages",
         "invalid_type"},
        {"{\"memory_config\":{\"max_tokens\":255}}", "memory_config.max_tokens",
         "integer_below_min_value"},
        {"{\"memory_config\":{\"preserve_first\":-1}}", "memory_config.preserve_first",
         "integer_below_min_value"},
        {"{\"memory_config\":{\"preserve_first\":1001}}", "memory_config.preserve_first",
         "integer_above_max_value"},
        {"{\"memory_config\":{\"trigger_tokens\":255}}", "memory_config.trigger_tokens",
         "integer_below_min_value"},
        {"{\"memory_config\":{\"summary_model\":\"\"}}", "memory_config.summary_model",
         "string_below_min_length"},
        {"{\"memory_config\":{\"summary_model\":\"a b\"}}", "memory_config.summary_model",
         "invalid_value"},
        {"{\"memory_config\":{\"newest\":5}}", "memory_config.newest", "unknown_parameter"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const char *param = refused(cases[i].body);

        if (!cases[i].param) {
            cr_expect_null(param, "%s: %s", cases[i].body, failure.message);
            continue;
        }
        cr_assert_not_null(param, "%s is accepted", cases[i].body);
        cr_expect_str_eq(param, cases[i].param, "%s", cases[i].body);
        cr_expect_str_eq(failure.code, cases[i].code, "%s: %s", cases[i].body, failure.message);
    }
}

/* "strategy from max_messages max_tokens preserve_first" */
static const char *read_text(struct text spec)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    static char out[128];
    struct context_settings settings;

    cr_assert_eq(json_decode(spec, 20, &object, NULL), 0, "%.*s", TEXT_ARGS(spec));
    context_settings_read(object, &settings);
    (void)snprintf(out, sizeof(out), "%s %s %d %d %d", context_strategy_name(settings.strategy),
                   context_source_name(settings.from), (int)settings.max_messages,
                   (int)settings.max_tokens, (int)settings.preserve_first);
    return out;
}

static const char *read(const char *spec)
{
    return read_text(text_of(spec));
}

#define AUTO   "\"truncation_strategy\":{\"type\":\"auto\",\"last_messages\":null}"
#define NEWEST "\"truncation_strategy\":{\"type\":\"last_messages\",\"last_messages\":7}"
#define AGENT                                                                                      \
    "\"memory_strategy\":\"first_last\",\"memory_config\":{\"max_messages\":20,\"max_tokens\":"    \
    "900,\"preserve_first\":2}"
#define THREAD(members) "\"thread_memory\":{" members "}"
#define SAID            "\"truncation_said\":true"

Test(context_settings, the_request_outranks_the_thread_and_that_the_agent)
{
    static const struct {
        const char *spec;
        const char *expected;
    } cases[] = {
        {"{}", "auto default 0 0 0"},
        {"{" AUTO "}", "auto default 0 0 0"},
        {"{" AUTO ",\"memory_strategy\":\"none\"}", "none agent 0 0 0"},
        {"{" AUTO ",\"memory_strategy\":\"auto\"}", "auto agent 0 0 0"},
        {"{" AUTO ",\"memory_strategy\":\"buffer\"}", "last_messages agent 50 0 0"},
        {"{" AUTO ",\"memory_strategy\":\"last_messages\"}", "last_messages agent 50 0 0"},
        {"{" AUTO ",\"memory_strategy\":\"first_last\"}", "first_last agent 50 0 3"},
        {"{" AUTO ",\"memory_strategy\":\"vector\"}", "vector agent 50 0 0"},
        {"{" AUTO "," AGENT "}", "first_last agent 20 900 2"},
        /* A thread's strategy, and each number by itself. */
        {"{" AUTO "," AGENT "," THREAD("\"strategy\":\"none\"") "}", "none thread 0 900 0"},
        {"{" AUTO "," AGENT "," THREAD("\"strategy\":\"auto\"") "}", "auto thread 0 900 0"},
        {"{" AUTO "," AGENT "," THREAD("\"strategy\":\"buffer\",\"config\":{}") "}",
         "last_messages thread 20 900 0"},
        {"{" AUTO "," AGENT "," THREAD("\"config\":{\"max_messages\":5}") "}",
         "first_last agent 5 900 2"},
        {"{" AUTO "," AGENT
         "," THREAD("\"config\":{\"preserve_first\":0,\"max_messages\":null}") "}",
         "first_last agent 20 900 0"},
        {"{" AUTO "," THREAD("\"strategy\":\"first_last\"") "}", "first_last thread 50 0 3"},
        {"{" AUTO "," THREAD("\"config\":{\"max_messages\":5,\"max_tokens\":300}") "}",
         "auto default 0 0 0"},
        /* The request, once it was said. */
        {"{" AUTO "," AGENT "," THREAD("\"strategy\":\"none\"") "," SAID "}", "auto run 0 0 0"},
        {"{" NEWEST "," AGENT "," THREAD("\"strategy\":\"none\"") "," SAID "}",
         "last_messages run 7 0 0"},
        /* A schedule's own, or that of a run of before: where nobody else says anything. */
        {"{" NEWEST "}", "last_messages default 7 0 0"},
        {"{" NEWEST "," AGENT "}", "first_last agent 20 900 2"},
        /* What is odd. */
        {"{" AUTO ",\"memory_strategy\":\"nearest\"}", "auto default 0 0 0"},
        {"{" AUTO ",\"memory_strategy\":7,\"memory_config\":[]}", "auto default 0 0 0"},
        {"{" AUTO ",\"thread_memory\":7,\"truncation_said\":\"yes\"}", "auto default 0 0 0"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        cr_expect_str_eq(read(cases[i].spec), cases[i].expected, "%s: %s", cases[i].spec,
                         read(cases[i].spec));
}

/* top_k, and score_threshold in hundredths */
static void near(const char *spec, int top_k, int hundredths)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct context_settings settings;

    cr_assert_eq(json_decode(text_of(spec), 20, &object, NULL), 0, "%s", spec);
    context_settings_read(object, &settings);
    cr_expect_eq(settings.top_k, top_k, "%s: %d", spec, (int)settings.top_k);
    cr_expect_eq((int)(settings.score_threshold * 100 + 0.5), hundredths, "%s: %f", spec,
                 settings.score_threshold);
}

Test(context_settings, what_is_near_is_said_by_numbers_of_vector_alone)
{
#define NEAR "\"memory_config\":{\"top_k\":7,\"score_threshold\":0.5}"
    near("{\"memory_strategy\":\"vector\"}", 5, 20);
    near("{\"memory_strategy\":\"vector\"," NEAR "}", 7, 50);
    near("{\"memory_strategy\":\"vector\"," NEAR
         "," THREAD("\"config\":{\"top_k\":null,\"score_threshold\":0}") "}",
         7, 0);
    near("{\"memory_strategy\":\"vector\"," NEAR "," THREAD("\"config\":{\"top_k\":2}") "}", 2, 50);
    near("{\"memory_strategy\":\"first_last\"," NEAR "}", 0, 0);
    near("{\"memory_strategy\":\"vector\"," SAID "," AUTO "," NEAR "}", 0, 0);
}

static void sums_up(const char *spec, const char *expected)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct context_settings settings;
    char out[128];

    cr_assert_eq(json_decode(text_of(spec), 20, &object, NULL), 0, "%s", spec);
    context_settings_read(object, &settings);
    (void)snprintf(out, sizeof(out), "%s %d %.*s", context_strategy_name(settings.strategy),
                   (int)settings.trigger_tokens, TEXT_ARGS(settings.summary_model));
    cr_expect_str_eq(out, expected, "%s: %s", spec, out);
}

Test(context_settings, what_summaries_are_made_by_is_the_threads_and_else_the_agents_each_by_itself)
{
#define SUMS_UP "\"memory_strategy\":\"summary\""
#define CONFIG  "\"memory_config\":{\"trigger_tokens\":500,\"summary_model\":\"groq/small\"}"
    sums_up("{" SUMS_UP "}", "summarize 8000 ");
    sums_up("{" SUMS_UP "," CONFIG "}", "summarize 500 groq/small");
    sums_up("{" SUMS_UP "," CONFIG "," THREAD("\"config\":{\"trigger_tokens\":900}") "}",
            "summarize 900 groq/small");
    sums_up("{" CONFIG
            "," THREAD("\"strategy\":\"summarize\",\"config\":{\"summary_model\":\"m\"}") "}",
            "summarize 500 m");
    sums_up("{" SUMS_UP "," CONFIG "," THREAD("\"strategy\":\"none\"") "}", "none 0 ");
}

static void said(const char *body, const char *expected)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct arena arena;
    struct text memory;
    struct error err;

    arena_init(&arena, 0);
    cr_assert_eq(json_decode(text_of(body), 20, &object, NULL), 0, "%s", body);
    cr_assert_eq(context_settings_said(object, &arena, &memory, &err), 0);
    if (expected)
        cr_expect(text_is(memory, expected), "%s: %.*s", body, TEXT_ARGS(memory));
    else
        cr_expect_null(memory.ptr, "%s", body);
    arena_deinit(&arena);
}

Test(context_settings, a_threads_are_one_object_where_null_takes_away)
{
    said("{}", NULL);
    said("{\"title\":\"t\"}", NULL);
    said("{\"memory_strategy\":\"none\"}", "{\"strategy\":\"none\"}");
    said("{\"memory_config\":{\"max_messages\":5},\"memory_strategy\":null}",
         "{\"strategy\":null,\"config\":{\"max_messages\":5}}");
}

/* The spec of a run of an agent, for a request. */
static struct text freeze(const char *agent, const char *request, struct buf *out)
{
    CLEANUP(json_freep) struct json_object *body = NULL;
    struct agent_spec spec;
    struct arena arena;
    struct error err;

    arena_init(&arena, 0);
    cr_assert_eq(agent_spec_parse(text_of(agent), &arena, &spec, &err), 0);
    cr_assert_eq(json_decode(text_of(request), 20, &body, NULL), 0);
    cr_assert_eq(run_spec_write(&spec, body, &(struct run_prompt){0}, out, &failure), 0);
    arena_deinit(&arena);
    return buf_text(out);
}

Test(context_settings, a_run_keeps_what_its_agent_says_and_nothing_where_that_says_nothing)
{
    CLEANUP(buf_deinit) struct buf with;
    CLEANUP(buf_deinit) struct buf without;
    struct text spec;

    buf_init(&with, 0);
    buf_init(&without, 0);
    spec = freeze("{\"model\":\"m\",\"memory_strategy\":\"buffer\",\"memory_config\":"
                  "{\"max_messages\":9}}",
                  "{}", &with);
    cr_expect_str_eq(read_text(spec), "last_messages agent 9 0 0");
    run_spec_add_truncation_said(&with);
    cr_expect_str_eq(read_text(buf_text(&with)), "auto run 0 0 0");
    spec = freeze("{\"model\":\"m\",\"memory_strategy\":null}", "{}", &without);
    cr_expect_null(memmem(spec.ptr, spec.len, "memory", 6), "%.*s", TEXT_ARGS(spec));
}
