/* Who is wrong is told what would be right. */

#include "fixture.h"

static void members(struct fixture *fixture)
{
    refused(fixture, 400, "instuctions", "unknown_parameter",
            "Unknown parameter: 'instuctions'. Did you mean 'instructions'?",
            (struct call){"POST", "/v1/assistants", "{\"model\":\"gpt-4o\",\"instuctions\":\"x\"}",
                          NULL, NULL});
    refused(fixture, 400, "tools[0].function.parameter", "unknown_parameter",
            "'tools[0].function.parameter'. Did you mean 'parameters'?",
            (struct call){"POST", "/v1/assistants",
                          "{\"model\":\"gpt-4o\",\"tools\":[{\"type\":\"function\",\"function\":{"
                          "\"name\":\"f\",\"parameter\":{}}}]}",
                          NULL, NULL});
    refused(
        fixture, 400, "hat", "unknown_parameter", "Unknown parameter: 'hat'.",
        (struct call){"POST", "/v1/assistants", "{\"model\":\"gpt-4o\",\"hat\":1}", NULL, NULL});
    cr_assert_null(strstr(json_text(fixture->body).ptr, "Did you mean"));
}

Test(hints, name_the_nearest_member_of_a_body)
{
    with_api(members);
}

static void tickets(struct fixture *fixture)
{
    static const char *const paths[] = {"/v1/runs/x/events", "/v1/threads/x/runs/y/events"};

    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++)
        refused(fixture, 401, NULL, NULL, "A page sends a ticket instead: see POST /v1/tickets.",
                (struct call){.method = "GET", .path = paths[i], .key = ""});
    refused(fixture, 401, NULL, NULL, "You didn't provide an API key.",
            (struct call){.method = "GET", .path = "/v1/runs", .key = ""});
    cr_assert_null(strstr(json_text(fixture->body).ptr, "ticket"));
}

Test(hints, tell_a_page_without_a_key_of_tickets)
{
    with_api(tickets);
}

static void agents(struct fixture *fixture)
{
    refused(
        fixture, 404, "model", "model_not_found",
        "Agents are asked at /v1/responses and /v1/threads/runs.",
        (struct call){"POST", "/v1/chat/completions",
                      "{\"model\":\"shop\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
                      NULL, NULL});
    refused(
        fixture, 404, "model", "model_not_found", "there is no such provider",
        (struct call){"POST", "/v1/chat/completions",
                      "{\"model\":\"a/b\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
                      NULL, NULL});
    cr_assert_null(strstr(json_text(fixture->body).ptr, "Agents"));
    refused(
        fixture, 400, "model", "model_not_found",
        "No agent has the slug 'shop', and model 'shop' is not known",
        (struct call){"POST", "/v1/responses", "{\"model\":\"shop\",\"input\":\"x\"}", NULL, NULL});
}

Test(hints, tell_where_a_model_and_where_an_agent_may_stand)
{
    with_api(agents);
}

static void other(struct fixture *fixture)
{
    refused(fixture, 404, NULL, "unknown_url", "GET /v1/openapi.json lists what is served.",
            (struct call){"GET", "/v1/x", NULL, NULL, NULL});
    refused(fixture, 404, NULL, "unknown_url", "usage of an organization. Ask /v1/usage.",
            (struct call){"GET", "/v1/organization/usage/completions", NULL, NULL, NULL});
    refused(fixture, 404, NULL, "unknown_url", "costs of an organization. Ask /v1/usage.",
            (struct call){"GET", "/v1/organization/costs", NULL, NULL, NULL});
    refused(fixture, 400, "start_time", "invalid_value",
            "Invalid 'start_time': expected unix seconds, 0 to 9999999999, but got '2026-01-01'.",
            (struct call){"GET", "/v1/usage?start_time=2026-01-01", NULL, NULL, NULL});
    refused(fixture, 400, "created_after", "invalid_value", "expected unix seconds",
            (struct call){"GET", "/v1/runs?created_after=yesterday", NULL, NULL, NULL});
}

Test(hints, name_what_is_there_in_place_of_what_is_not)
{
    with_api(other);
}

static void moved(struct fixture *fixture)
{
    static const struct {
        const char *path;
        const char *body;
        const char *param;
        const char *message;
    } cases[] = {
        {"/v1/responses", "{\"model\":\"gpt-4o\",\"messages\":[]}", "messages",
         "Unsupported parameter: 'messages'. In the Responses API it is 'input'."},
        {"/v1/responses", "{\"model\":\"gpt-4o\",\"input\":\"x\",\"response_format\":{}}",
         "response_format", "In the Responses API it is 'text.format'."},
        {"/v1/responses", "{\"model\":\"gpt-4o\",\"input\":\"x\",\"max_tokens\":3}", "max_tokens",
         "In the Responses API it is 'max_output_tokens'."},
        {"/v1/responses", "{\"model\":\"gpt-4o\",\"input\":\"x\",\"reasoning_effort\":\"low\"}",
         "reasoning_effort", "In the Responses API it is 'reasoning.effort'."},
        {"/v1/responses",
         "{\"model\":\"gpt-4o\",\"input\":\"x\",\"tools\":[{\"type\":\"function\","
         "\"function\":{\"name\":\"f\"}}]}",
         "tools[0].function", "its members stand in the tool itself: 'name', 'parameters', …"},
        {"/v1/chat/completions", "{\"model\":\"gpt-4o\",\"input\":\"x\"}", "input",
         "In Chat Completions it is 'messages'."},
        {"/v1/chat/completions",
         "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
         "\"max_output_tokens\":5}",
         "max_output_tokens", "In Chat Completions it is 'max_completion_tokens'."},
        {"/v1/chat/completions",
         "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
         "\"reasoning\":{\"effort\":\"low\"}}",
         "reasoning", "In Chat Completions it is 'reasoning_effort'."},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        refused(fixture, 400, cases[i].param, "unsupported_parameter", cases[i].message,
                (struct call){"POST", cases[i].path, cases[i].body, NULL, NULL});
}

Test(hints, tell_what_a_member_is_called_in_the_other_api)
{
    with_api(moved);
}
