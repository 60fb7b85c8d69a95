/* The life of runs over the wire. What workers do to them is done in SQL here. */

#include <stdio.h>

#include "fixture.h"

static const char *const members[] = {
    "id",
    "object",
    "created_at",
    "thread_id",
    "assistant_id",
    "status",
    "last_error",
    "expires_at",
    "required_action",
    "started_at",
    "cancelled_at",
    "failed_at",
    "completed_at",
    "incomplete_details",
    "model",
    "instructions",
    "tools",
    "metadata",
    "usage",
    "temperature",
    "top_p",
    "tool_choice",
    "response_format",
    "max_prompt_tokens",
    "max_completion_tokens",
    "truncation_strategy",
    "parallel_tool_calls",
};

static const char *run_body(const char *assistant, const char *more)
{
    return show("{\"assistant_id\":\"%s\"%s}", assistant, more);
}

static void life(struct fixture *fixture)
{
    const char *assistant = new_assistant(fixture);
    const char *thread = new_thread(fixture);
    const char *runs = show("/v1/threads/%s/runs", thread);
    struct json_object *r = expect(
        fixture, 200, "POST", runs,
        run_body(assistant, ",\"additional_instructions\":\"And \\\"kind\\\".\",\"metadata\":"
                            "{\"n\":\"1\"},\"additional_messages\":[{\"role\":\"user\","
                            "\"content\":\"more\"}],\"temperature\":0.5"));
    const char *id = show("%s", string_at(r, "id"));

    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        cr_assert(json_has(r, members[i]), "%s", members[i]);
    cr_assert_str_eq(string_at(r, "status"), "queued");
    cr_assert_str_eq(string_at(r, "model"), "gpt-4o-mini");
    cr_assert_str_eq(string_at(r, "instructions"), "Be brief.\n\nAnd \"kind\".");
    cr_assert_str_eq(string_at(r, "assistant_id"), assistant);
    cr_assert_float_eq(json_get_double(r, "temperature", 0), 0.5, 1e-9);
    cr_assert(json_get_bool(r, "parallel_tool_calls", false));
    cr_assert(!json_get(r, "usage"));
    cr_assert_eq(fixture->runs_told, 1);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM messages"), 2);

    r = expect(fixture, 200, "GET", show("%s/%s", runs, id), NULL);
    cr_assert(atoi(header(fixture, "openai-poll-after-ms")) >= 100);
    r = expect(fixture, 200, "POST", show("%s/%s", runs, id), "{\"metadata\":{\"n\":\"2\"}}");
    cr_assert_str_eq(string_at(json_get(r, "metadata"), "n"), "2");
    expect(fixture, 200, "GET", show("/v1/runs/%s", id), NULL);
    r = expect(fixture, 200, "GET", runs, NULL);
    cr_assert_str_eq(string_at(r, "first_id"), id);
    r = expect(fixture, 200, "GET", "/v1/runs?status=queued,in_progress", NULL);
    cr_assert_eq(json_object_array_length(json_get(r, "data")), 1);
    r = expect(fixture, 200, "GET", "/v1/runs?status=failed", NULL);
    cr_assert_eq(json_object_array_length(json_get(r, "data")), 0);

    refused(
        fixture, 400, NULL, NULL,
        show("Thread %s already has an active run %s. With 'multitask_strategy' a ", thread, id),
        (struct call){"POST", runs, run_body(assistant, ""), NULL, NULL});
    refused(
        fixture, 400, NULL, NULL,
        show("Can't add messages to %s while a run %s is active. With 'on_busy' it ", thread, id),
        (struct call){"POST", show("/v1/threads/%s/messages", thread),
                      "{\"role\":\"user\",\"content\":\"x\"}", NULL, NULL});
    refused(fixture, 400, NULL, NULL,
            show("Thread %s already has an active run %s. With 'on_busy' the ", thread, id),
            (struct call){"POST", show("/v1/threads/%s/messages", thread),
                          show("{\"role\":\"user\",\"content\":\"x\",\"run\":{\"assistant_id\":"
                               "\"%s\"}}",
                               assistant),
                          NULL, NULL});
    refused(fixture, 400, NULL, NULL, "Runs in status 'queued' do not accept tool outputs.",
            (struct call){"POST", show("%s/%s/submit_tool_outputs", runs, id),
                          "{\"tool_outputs\":[]}", NULL, NULL});

    r = expect(fixture, 200, "POST", show("%s/%s/cancel", runs, id), NULL);
    cr_assert_str_eq(string_at(r, "status"), "cancelled");
    cr_assert(json_get(r, "cancelled_at") && json_get(r, "usage") && !json_get(r, "expires_at"));
    refused(fixture, 400, NULL, NULL, "Cannot cancel run with status 'cancelled'.",
            (struct call){"POST", show("%s/%s/cancel", runs, id), NULL, NULL, NULL});
    expect(fixture, 200, "GET", show("/v1/runs/%s", id), NULL);
    cr_assert(!header(fixture, "openai-poll-after-ms"));
    expect(fixture, 200, "POST", runs, run_body(assistant, ""));
}

Test(runs, are_made_read_labelled_listed_and_cancelled)
{
    with_api(life);
}

static void with_thread(struct fixture *fixture)
{
    const char *assistant = show(
        "%s", string_at(expect(fixture, 200, "POST", "/v1/assistants",
                               "{\"model\":\"gpt-4o-mini\",\"tools\":[{\"type\":\"calculator\"},"
                               "{\"type\":\"current_time\"}]}"),
                        "id"));
    struct json_object *r = expect(
        fixture, 200, "POST", "/v1/threads/runs",
        run_body(assistant, ",\"thread\":{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]},"
                            "\"instructions\":\"Other.\",\"model\":\"groq/llama-3.1-8b-instant\","
                            "\"stream\":false,\"tools\":[{\"type\":\"calculator\"}],"
                            "\"tool_choice\":{\"type\":\"calculator\"}"));
    const char *thread = show("%s", string_at(r, "thread_id"));
    int64_t requests;

    cr_assert_str_eq(string_at(r, "instructions"), "Other.");
    cr_assert_str_eq(json_text(json_get(r, "tools")).ptr, "[{\"type\":\"calculator\"}]");
    cr_assert_str_eq(string_at(r, "model"), "groq/llama-3.1-8b-instant");
    r = expect(fixture, 200, "GET", show("/v1/threads/%s/messages", thread), NULL);
    cr_assert_eq(json_object_array_length(json_get(r, "data")), 1);
    cr_assert_eq(fixture->runs_told, 1);

    /* The assistant is cached by now: one statement makes thread, message and run. */
    struct pg_stats before;
    struct pg_stats after;

    pg_stats_get(fixture->pg, &before);
    expect(
        fixture, 200, "POST", "/v1/threads/runs",
        run_body(assistant, ",\"thread\":{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}"));
    pg_stats_get(fixture->pg, &after);
    requests = (int64_t)(after.requests - before.requests);
    cr_assert_eq(requests, 1, "%d requests", (int)requests);

    /* An update elsewhere is noticed at once. */
    sql_do(fixture,
           "UPDATE agents SET version = 2, spec = jsonb_set(spec::jsonb, '{instructions}', "
           "'\"New.\"')");
    r = expect(fixture, 200, "POST", "/v1/threads/runs", run_body(assistant, ""));
    cr_assert_str_eq(string_at(r, "instructions"), "New.");
}

Test(runs, are_made_together_with_their_thread_in_one_statement)
{
    with_api(with_thread);
}

static void refusals(struct fixture *fixture)
{
    static const struct {
        const char *more;
        const char *param;
        const char *code;
        const char *message;
    } cases[] = {
        {",\"stream\":1", "stream", "invalid_type", "expected a boolean"},
        {",\"max_prompt_tokens\":255", "max_prompt_tokens", "integer_below_min_value", ">= 256"},
        {",\"model\":\"nope\"", "model", "model_not_found", "nope"},
        {",\"foo\":1", "foo", "unknown_parameter", "Unknown parameter: 'foo'."},
        {",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "tool_choice",
         "invalid_value", "'f' is none of the run's tools"},
        {",\"tool_choice\":\"maybe\"", "tool_choice", "invalid_value", "'maybe'"},
        {",\"tool_choice\":7", "tool_choice", "invalid_type", "'required'"},
        {",\"truncation_strategy\":{\"type\":\"last_messages\"}",
         "truncation_strategy.last_messages", "missing_required_parameter", "needs it"},
        {",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{"
         "\"required\":1}}}]",
         "tools[0].function.parameters", "invalid_value", "Invalid schema"},
        {",\"http_allow\":[\"*\"]", "http_allow[0]", "invalid_value", "Invalid host"},
        {",\"http_allow\":[\"a.com\"]", "http_allow[0]", "not_permitted",
         "does not include 'a.com'"},
        {",\"tools\":[{\"type\":\"http_request\"}]", "tools[0]", "tool_not_permitted",
         "does not have the tool 'http_request'"},
        {",\"priority\":\"urgent\"", "priority", "invalid_value", "'normal'"},
        {",\"multitask_strategy\":\"queue\"", "multitask_strategy", "invalid_value", "'rollback'"},
        {",\"additional_messages\":[{\"role\":\"user\",\"content\":\"\"}]",
         "additional_messages[0].content", "string_below_min_length", "empty"},
    };
    const char *assistant = new_assistant(fixture);
    const char *runs = show("/v1/threads/%s/runs", new_thread(fixture));

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        refused(fixture, 400, cases[i].param, cases[i].code, cases[i].message,
                (struct call){"POST", runs, run_body(assistant, cases[i].more), NULL, NULL});
    refused(fixture, 400, "assistant_id", "missing_required_parameter", "'assistant_id'",
            (struct call){"POST", runs, "{}", NULL, NULL});
    refused(fixture, 404, NULL, NULL, "No assistant found with id 'asst_nope'.",
            (struct call){"POST", runs, run_body("asst_nope", ""), NULL, NULL});
    refused(
        fixture, 404, NULL, NULL, "No thread found",
        (struct call){"POST", "/v1/threads/thread_x/runs", run_body(assistant, ""), NULL, NULL});
    refused(fixture, 404, NULL, NULL, "No assistant found",
            (struct call){"POST", "/v1/threads/runs", run_body(assistant, ""), NULL,
                          fixture->other_key});
    refused(fixture, 404, NULL, NULL, "No run found with id 'run_x'.",
            (struct call){"GET", show("%s/run_x", runs), NULL, NULL, NULL});
    refused(fixture, 400, "status", "invalid_value", "'done'",
            (struct call){"GET", "/v1/runs?status=done", NULL, NULL, NULL});
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM runs"), 0);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM threads"), 1);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM messages"), 1);
    cr_assert_eq(fixture->runs_told, 0);
    expect(fixture, 200, "DELETE", show("/v1/assistants/%s", assistant), NULL);
    refused(fixture, 404, NULL, NULL, "No assistant found",
            (struct call){"POST", runs, run_body(assistant, ""), NULL, NULL});
}

Test(runs, that_are_wrong_are_refused_and_nothing_changes)
{
    with_api(refusals);
}

static void in_progress(struct fixture *fixture)
{
    const char *assistant = new_assistant(fixture);
    struct json_object *r =
        expect(fixture, 200, "POST", "/v1/threads/runs", run_body(assistant, ""));
    const char *path =
        show("/v1/threads/%s/runs/%s", string_at(r, "thread_id"), string_at(r, "id"));
    const char *run = strrchr(path, '/') + 1;

    sql_do(fixture, "UPDATE runs SET status = 'in_progress', owner = 7, started_at = now()");
    sql_do(fixture, "INSERT INTO run_steps (id, run_id, tenant_id, thread_id, agent_id, seq, type, "
                    "status, tool_calls) SELECT gen_random_uuid(), id, tenant_id, thread_id, "
                    "agent_id, 1, 'tool_calls', 'in_progress', '[{\"id\":\"call_1\",\"type\":"
                    "\"function\",\"function\":{\"name\":\"calculator\",\"arguments\":\"{}\","
                    "\"output\":null}}]' FROM runs");
    r = expect(fixture, 200, "GET", show("%s/steps", path), NULL);
    r = json_object_array_get_idx(json_get(r, "data"), 0);
    cr_assert_str_eq(string_at(r, "object"), "thread.run.step");
    cr_assert_str_eq(string_at(json_get(r, "step_details"), "type"), "tool_calls");
    cr_assert(json_has(r, "usage") && json_has(r, "metadata") && json_has(r, "expired_at"));
    expect(fixture, 200, "GET", show("%s/steps/%s", path, string_at(r, "id")), NULL);
    expect(fixture, 404, "GET", show("%s/steps/step_x", path), NULL);
    expect(fixture, 200, "GET", show("/v1/runs/%s/steps", run), NULL);
    refused(fixture, 404, NULL, NULL, "No run found",
            (struct call){"GET", show("%s/steps", path), NULL, NULL, fixture->other_key});

    r = expect(fixture, 200, "POST", show("/v1/runs/%s/cancel", run), NULL);
    cr_assert_str_eq(string_at(r, "status"), "cancelling");
    cr_assert_eq(fixture->cancels_told, 1);
    sql_do(fixture, "UPDATE runs SET status = 'failed', failed_at = now(), prompt_tokens = 3, "
                    "completion_tokens = 4, last_error = '{\"code\":\"server_error\",\"message\":"
                    "\"x\"}'");
    r = expect(fixture, 200, "GET", path, NULL);
    cr_assert_eq(json_get_int(json_get(r, "usage"), "total_tokens", 0), 7);
    cr_assert_str_eq(string_at(json_get(r, "last_error"), "code"), "server_error");
    cr_assert(json_get(r, "failed_at") && !json_get(r, "completed_at"));
}

Test(runs, in_progress_show_their_steps_and_are_cancelled_through_their_worker)
{
    with_api(in_progress);
}

static void deleted_under_way(struct fixture *fixture)
{
    const char *assistant = new_assistant(fixture);
    struct json_object *r =
        expect(fixture, 200, "POST", "/v1/threads/runs", run_body(assistant, ""));
    const char *thread = show("/v1/threads/%s", string_at(r, "thread_id"));

    sql_do(fixture, "UPDATE runs SET status = 'in_progress', owner = 7, started_at = now()");
    expect(fixture, 200, "DELETE", thread, NULL);
    cr_assert_eq(fixture->cancels_told, 1);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM runs"), 0);
}

Test(runs, whose_thread_is_deleted_are_stopped)
{
    with_api(deleted_under_way);
}

static void waiting(struct fixture *fixture)
{
    const char *assistant = new_assistant(fixture);
    struct json_object *r =
        expect(fixture, 200, "POST", "/v1/threads/runs", run_body(assistant, ""));
    const char *path =
        show("/v1/threads/%s/runs/%s", string_at(r, "thread_id"), string_at(r, "id"));
    const char *give = show("%s/submit_tool_outputs", path);

    sql_do(fixture, "UPDATE runs SET status = 'requires_action', wait_kind = 'calls',"
                    " open_calls = 2, parked_at = now(),"
                    " required_action = '{\"type\":\"submit_tool_outputs\",\"submit_tool_outputs\":"
                    "{\"tool_calls\":[{\"id\":\"call_1\"},{\"id\":\"call_2\"}]}}'");
    sql_do(fixture, "INSERT INTO tool_calls (run_id, call_no, call_id, name, arguments, class,"
                    " state, idempotency_key, kind) SELECT r.id, n, 'call_' || n, 'f', '{}',"
                    " 'pure', 'open', n::text, 'client' FROM runs r, generate_series(1, 2) n");
    r = expect(fixture, 200, "GET", path, NULL);
    cr_assert_str_eq(string_at(r, "status"), "requires_action");
    cr_assert_str_eq(string_at(json_get(r, "required_action"), "type"), "submit_tool_outputs");
    cr_assert(!json_get(r, "usage"));
    refused(fixture, 400, "tool_outputs", NULL,
            "Expected tool outputs for call_ids ['call_1', 'call_2'], got ['call_1', 'call_3'].",
            (struct call){"POST", give,
                          "{\"tool_outputs\":[{\"tool_call_id\":\"call_1\",\"output\":\"x\"},"
                          "{\"tool_call_id\":\"call_3\"}]}",
                          NULL, NULL});
    refused(fixture, 400, "tool_outputs", NULL, "got [].",
            (struct call){"POST", give, "{\"tool_outputs\":[]}", NULL, NULL});
    refused(fixture, 400, "tool_outputs[1]", "duplicate_value", "Duplicate tool output",
            (struct call){"POST", give,
                          "{\"tool_outputs\":[{\"tool_call_id\":\"call_1\"},"
                          "{\"tool_call_id\":\"call_1\"}]}",
                          NULL, NULL});
    refused(fixture, 400, "tool_outputs[0].output", "invalid_type", "expected a string",
            (struct call){"POST", give,
                          "{\"tool_outputs\":[{\"tool_call_id\":\"call_1\",\"output\":1}]}", NULL,
                          NULL});
    refused(fixture, 400, "stream", "invalid_type", "expected a boolean",
            (struct call){"POST", give, "{\"tool_outputs\":[],\"stream\":1}", NULL, NULL});
    refused(fixture, 404, NULL, NULL, "No run found",
            (struct call){"POST", give, "{\"tool_outputs\":[]}", NULL, fixture->other_key});
    cr_assert_eq(fixture->runs_told, 1);
    r = expect(fixture, 200, "POST", give,
               "{\"tool_outputs\":[{\"tool_call_id\":\"call_2\",\"output\":\"x\"},"
               "{\"tool_call_id\":\"call_1\"}],\"stream\":false}");
    cr_assert_str_eq(string_at(r, "status"), "queued");
    cr_assert(json_has(r, "required_action") && !json_get(r, "required_action"));
    cr_assert_eq(fixture->runs_told, 2);
}

Test(runs, that_wait_for_tool_outputs_say_so_and_take_exactly_those)
{
    with_api(waiting);
}
