/* The life of assistants over the wire. */

#include <stdio.h>

#include "fixture.h"

static const char *const members[] = {
    "id",           "object",
    "created_at",   "name",
    "description",  "model",
    "instructions", "tools",
    "metadata",     "tool_resources",
    "top_p",        "response_format",
    "temperature",  "reasoning_effort",
};

static void check_members(struct json_object *assistant)
{
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        cr_assert(json_has(assistant, members[i]), "%s", members[i]);
    cr_assert_str_eq(string_at(assistant, "object"), "assistant");
    cr_assert_eq(json_object_get_type(json_get(assistant, "created_at")), json_type_int);
}

static void life(struct fixture *fixture)
{
    struct json_object *a =
        expect(fixture, 200, "POST", "/v1/assistants",
               "{\"model\":\"gpt-4o\",\"name\":\"Zoë\",\"temperature\":0.1,\"tools\":[{\"type\":"
               "\"calculator\"}],\"metadata\":{\"team\":\"x\"},\"max_iterations\":5}");
    const char *path;

    check_members(a);
    cr_assert_str_eq(string_at(a, "name"), "Zoë");
    cr_assert_str_eq(string_at(a, "response_format"), "auto");
    cr_assert_eq(json_get_int(a, "max_iterations", 0), 5);
    cr_assert_eq(json_get_int(a, "version", 0), 1);
    cr_assert(header(fixture, "x-request-id") && header(fixture, "openai-processing-ms"));
    cr_assert_str_eq(header(fixture, "content-type"), "application/json");
    path = show("/v1/assistants/%s", string_at(a, "id"));

    a = expect(fixture, 200, "POST", path, "{\"name\":null,\"description\":\"d\"}");
    check_members(a);
    cr_assert(!json_get(a, "name"));
    cr_assert_str_eq(string_at(a, "description"), "d");
    cr_assert_str_eq(string_at(a, "model"), "gpt-4o");
    cr_assert_eq(json_get_int(a, "version", 0), 2);
    cr_assert_str_eq(string_at(expect(fixture, 200, "GET", path, NULL), "description"), "d");

    a = expect(fixture, 200, "GET", show("%s/versions/1", path), NULL);
    cr_assert_str_eq(string_at(a, "name"), "Zoë");
    a = expect(fixture, 200, "GET", show("%s/versions", path), NULL);
    cr_assert_eq(json_object_array_length(json_get(a, "data")), 2);
    cr_assert_eq(json_get_int(json_object_array_get_idx(json_get(a, "data"), 0), "version", 0), 2);
    cr_assert(!json_get_bool(a, "has_more", true));
    a = expect(fixture, 200, "GET", show("%s/versions?after=2&limit=1", path), NULL);
    cr_assert_str_eq(string_at(a, "last_id"), "1");
    expect(fixture, 404, "GET", show("%s/versions/3", path), NULL);

    a = expect(fixture, 200, "DELETE", path, NULL);
    cr_assert_str_eq(string_at(a, "object"), "assistant.deleted");
    cr_assert(json_get_bool(a, "deleted", false));
    expect(fixture, 404, "GET", path, NULL);
    expect(fixture, 404, "DELETE", path, NULL);
    expect(fixture, 404, "POST", path, "{}");
}

Test(assistants, are_made_changed_with_versions_and_deleted)
{
    with_api(life);
}

static void pages(struct fixture *fixture)
{
    const char *ids[5];
    struct json_object *list;
    const char *last = NULL;
    int seen = 0;

    for (int i = 0; i < 5; i++)
        ids[i] = new_assistant(fixture);
    list = expect(fixture, 200, "GET", "/v1/assistants?limit=2", NULL);
    cr_assert_str_eq(string_at(list, "first_id"), ids[4]);
    cr_assert_str_eq(string_at(list, "last_id"), ids[3]);
    cr_assert(json_get_bool(list, "has_more", false));
    for (;;) {
        list = expect(fixture, 200, "GET",
                      last ? show("/v1/assistants?order=asc&limit=2&after=%s", last)
                           : "/v1/assistants?order=asc&limit=2",
                      NULL);
        seen += (int)json_object_array_length(json_get(list, "data"));
        if (!json_get_bool(list, "has_more", false))
            break;
        last = show("%s", string_at(list, "last_id"));
    }
    cr_assert_eq(seen, 5);
    list = expect(fixture, 200, "GET", show("/v1/assistants?before=%s", ids[4]), NULL);
    cr_assert_eq(json_object_array_length(json_get(list, "data")), 0);
    cr_assert(json_has(list, "first_id") && !json_get(list, "first_id"));
    cr_assert_str_eq(string_at(list, "object"), "list");
}

Test(assistants, are_listed_in_pages)
{
    with_api(pages);
}

static void refusals(struct fixture *fixture)
{
    static const struct {
        const char *body;
        const char *param;
        const char *code;
        const char *message;
    } cases[] = {
        {"\"nmae\":\"x\"", "nmae", "unknown_parameter", "Unknown parameter: 'nmae'."},
        {"\"name\":1", "name", "invalid_type",
         "Invalid type for 'name': expected a string or null, but got an integer instead."},
        {"\"temperature\":2.5", "temperature", "decimal_above_max_value", "<= 2, but got 2.5"},
        {"\"temperature\":-1", "temperature", "decimal_below_min_value", ">= 0"},
        {"\"temperature\":0e-9999", "temperature", "invalid_value", "exponent"},
        {"\"max_iterations\":201", "max_iterations", "integer_above_max_value", "<= 200"},
        {"\"max_iterations\":1.0", "max_iterations", "invalid_type", "a decimal instead"},
        {"\"timeout_seconds\":0", "timeout_seconds", "integer_below_min_value", ">= 1"},
        {"\"tools\":[{\"type\":\"file_search\"}]", "tools[0].type", "unsupported_value",
         "not offered"},
        {"\"tools\":[{\"type\":\"x\"}]", "tools[0].type", "invalid_value", "Supported values are"},
        {"\"tools\":[{}]", "tools[0].type", "missing_required_parameter", "tools[0].type"},
        {"\"tools\":[{\"type\":\"http_request\",\"class\":\"twice\"}]", "tools[0].class",
         "invalid_value", "'idempotent' and 'once'"},
        {"\"tools\":[{\"type\":\"calculator\",\"class\":\"once\"}]", "tools[0].class",
         "unknown_parameter", "tools[0].class"},
        {"\"tools\":[{\"type\":\"function\"}]", "tools[0].function", "missing_required_parameter",
         "tools[0].function"},
        {"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]",
         "tools[0].function.name", "invalid_value", "does not match pattern"},
        {"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":[]}}]",
         "tools[0].function.parameters", "invalid_type", "expected an object"},
        {"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"x\":"
         "1e131071}}}]",
         "tools[0].function.parameters.x", "invalid_value", "too large an exponent"},
        {"\"tools\":[{\"type\":\"calculator\"},{\"type\":\"calculator\"}]", "tools[1]",
         "duplicate_value", "Duplicate tool 'calculator'"},
        {"\"metadata\":{\"k\":1}", "metadata.k", "invalid_type", "expected a string"},
        {"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":"
         "\"objekt\"}}}]",
         "tools[0].function.parameters", "invalid_value", "Invalid schema"},
        {"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{"
         "\"properties\":"
         "{\"a\":{\"pattern\":\"(\"}}}}}]",
         "tools[0].function.parameters", "invalid_value", "Invalid schema"},
        {"\"http_allow\":[\"https://x\"]", "http_allow[0]", "invalid_value", "Invalid host"},
        {"\"http_allow\":[\"x.com\",\"x.com:0\"]", "http_allow[1]", "invalid_value",
         "Invalid host"},
        {"\"response_format\":{\"type\":\"xml\"}", "response_format.type", "invalid_value",
         "'xml'"},
        {"\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
         "\"schema\":{\"type\":\"strange\"}}}",
         "response_format.json_schema.schema", "invalid_value", "Invalid schema"},
        {"\"reasoning_effort\":\"huge\"", "reasoning_effort", "invalid_value", "'huge'"},
        {"\"tool_resources\":{\"file_search\":{\"vector_store_ids\":[\"vs_1\"]}}",
         "tool_resources.file_search.vector_store_ids", "unsupported_value",
         "the tools that would read them are not offered here"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char body[512];

        snprintf(body, sizeof(body), "{\"model\":\"gpt-4o\",%s}", cases[i].body);
        refused(fixture, 400, cases[i].param, cases[i].code, cases[i].message,
                (struct call){"POST", "/v1/assistants", body, NULL, NULL});
    }
    refused(fixture, 400, "model", "missing_required_parameter",
            "Missing required parameter: 'model'.",
            (struct call){"POST", "/v1/assistants", "{}", NULL, NULL});
    refused(fixture, 400, "model", "model_not_found", "no-such-model",
            (struct call){"POST", "/v1/assistants", "{\"model\":\"no-such-model\"}", NULL, NULL});
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM agents"), 0);
}

Test(assistants, that_are_wrong_are_refused_with_what_is_wrong)
{
    with_api(refusals);
}

static void checks(struct fixture *fixture)
{
    struct json_object *reply = expect(fixture, 200, "POST", "/v1/assistants/check",
                                       "{\"model\":\"gpt-4o\",\"name\":\"a\"}");

    cr_assert_str_eq(string_at(reply, "object"), "assistant.check");
    cr_assert(json_get_bool(reply, "valid", false));
    refused(
        fixture, 400, "model", "model_not_found", "no-such-model",
        (struct call){"POST", "/v1/assistants/check", "{\"model\":\"no-such-model\"}", NULL, NULL});
    refused(fixture, 400, "temperature", "decimal_above_max_value", "<= 2",
            (struct call){"POST", "/v1/assistants/check",
                          "{\"model\":\"gpt-4o\",\"temperature\":3}", NULL, NULL});
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM agents"), 0);
}

Test(assistants, are_checked_without_being_made)
{
    with_api(checks);
}

static void by_rivals(struct fixture *fixture)
{
    const char *path = show("/v1/assistants/%s", new_assistant(fixture));
    const char *key = fixture->other_key;

    refused(fixture, 404, NULL, NULL, "No assistant found with id 'asst_",
            (struct call){"GET", path, NULL, NULL, key});
    refused(fixture, 404, NULL, NULL, "No assistant found",
            (struct call){"POST", path, "{\"name\":\"mine\"}", NULL, key});
    refused(fixture, 404, NULL, NULL, "No assistant found",
            (struct call){"DELETE", path, NULL, NULL, key});
    cr_assert_eq(http(fixture, (struct call){"GET", "/v1/assistants", NULL, NULL, key}), 200);
    cr_assert_eq(json_object_array_length(json_get(fixture->body, "data")), 0);
    expect(fixture, 200, "GET", path, NULL);
    refused(fixture, 404, NULL, NULL, "No assistant found with id 'asst_x'.",
            (struct call){"GET", "/v1/assistants/asst_x", NULL, NULL, NULL});
}

Test(assistants, of_another_tenant_do_not_exist)
{
    with_api(by_rivals);
}
