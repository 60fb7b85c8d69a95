/* Responses, the parts that need no server: bodies, what becomes of them, items, and a run shown as
 * a response. */

#include <criterion/criterion.h>

#include "scheduler/api/openai/items/items.h"
#include "scheduler/api/openai/responses/response_bodies.h"
#include "scheduler/api/openai/responses/response_render.h"
#include "scheduler/api/openai/responses/response_request.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/json/json.h"

static struct json_object *parse(const char *text)
{
    struct json_object *object = NULL;
    struct error err;

    cr_assert_eq(json_decode(text_of(text), 64, &object, &err), 0, "%s in %s", err.text, text);
    return object;
}

static void takes(struct fields fields, const char *text)
{
    struct json_object *object = parse(text);
    struct failure failure;

    cr_assert_eq(fields_check(fields, object, NULL, &failure), 0, "%s: %s", text, failure.message);
    json_free(object);
}

static void refuses(struct fields fields, const char *text, const char *param, const char *code)
{
    struct json_object *object = parse(text);
    struct failure failure;

    cr_assert_eq(fields_check(fields, object, NULL, &failure), -E_INVALID, "%s", text);
    cr_assert_str_eq(failure.param, param, "%s: %s", text, failure.message);
    cr_assert_str_eq(failure.code, code, "%s: %s", text, failure.message);
    json_free(object);
}

#define BODY(rest) "{\"model\":\"m\"," rest "}"

Test(responses, take_what_asks_for_nothing)
{
    takes(body_response, BODY("\"input\":\"Hi\""));
    takes(body_response, BODY("\"messages\":null,\"max_tokens\":null"));
    takes(body_response, BODY("\"input\":[],\"tools\":[],\"include\":[],\"metadata\":null"));
    takes(body_response, BODY("\"max_tool_calls\":null,\"top_logprobs\":0,\"prompt\":null"));
    takes(body_response, BODY("\"context_management\":[],\"text\":{},\"truncation\":\"auto\""));
    takes(body_response, BODY("\"stream_options\":{\"include_obfuscation\":false}"));
    takes(body_response, BODY("\"include\":[\"reasoning.encrypted_content\"]"));
    takes(body_response, BODY("\"tools\":[{\"type\":\"mcp\",\"server_label\":\"penstock\","
                              "\"require_approval\":\"never\"}]"));
}

Test(responses, refuse_what_is_not_offered)
{
    refuses(body_response, "{\"input\":\"Hi\"}", "model", "missing_required_parameter");
    refuses(body_response, BODY("\"inputs\":\"Hi\""), "inputs", "unknown_parameter");
    refuses(body_response, BODY("\"max_tool_calls\":3"), "max_tool_calls", "unsupported_parameter");
    refuses(body_response, BODY("\"top_logprobs\":2"), "top_logprobs", "unsupported_parameter");
    refuses(body_response, BODY("\"truncation\":\"disabled\""), "truncation", "unsupported_value");
    refuses(body_response, BODY("\"include\":[\"message.output_text.logprobs\"]"), "include[0]",
            "unsupported_parameter");
    refuses(body_response, BODY("\"tools\":[{\"type\":\"image_generation\"}]"), "tools[0].type",
            "unsupported_value");
    refuses(body_response, BODY("\"tools\":[{\"type\":\"file_search\",\"vector_store_ids\":[]}]"),
            "tools[0].type", "unsupported_value");
    refuses(
        body_response,
        BODY("\"tools\":[{\"type\":\"mcp\",\"server_label\":\"x\",\"server_url\":\"http://x\"}]"),
        "tools[0].server_label", "invalid_value");
    refuses(body_response, BODY("\"tools\":[{\"type\":\"function\",\"function\":{}}]"),
            "tools[0].function", "unsupported_parameter");
    refuses(body_response, BODY("\"messages\":[]"), "messages", "unsupported_parameter");
    refuses(body_response, BODY("\"max_tokens\":9"), "max_tokens", "unsupported_parameter");
    refuses(body_response,
            BODY("\"tools\":[{\"type\":\"function\",\"name\":\"f\"},"
                 "{\"type\":\"function\",\"name\":\"f\"}]"),
            "tools[1]", "duplicate_value");
    refuses(body_response, BODY("\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"x\"}}"),
            "text.format.schema", "missing_required_parameter");
    refuses(body_response, BODY("\"conversation\":7"), "conversation", "invalid_type");
}

#define A_FILE "file-00000000000000000000000000000007"

#define ITEM(item) BODY("\"input\":[" item "]")

Test(responses, take_items_as_clients_send_them)
{
    takes(body_response, ITEM("{\"role\":\"user\",\"content\":\"Hi\"}"));
    takes(body_response, ITEM("{\"role\":\"developer\",\"content\":[{\"type\":\"input_text\","
                              "\"text\":\"x\"}]}"));
    takes(body_response, ITEM("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\","
                              "\"image_url\":\"https://x/y.png\",\"detail\":\"low\"}]}"));
    takes(body_response, ITEM("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\","
                              "\"image_url\":null,\"file_id\":\"" A_FILE "\"}]}"));
    takes(
        body_response,
        ITEM("{\"id\":\"msg_1\",\"type\":\"message\",\"status\":\"completed\",\"role\":"
             "\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\",\"annotations\":"
             "[],\"logprobs\":[],\"parsed\":{}}]}"));
    takes(body_response, ITEM("{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":\"c\","
                              "\"name\":\"f\",\"arguments\":\"{}\",\"parsed_arguments\":{}}"));
    takes(body_response,
          ITEM("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"x\"}"));
    takes(body_response, ITEM("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":"
                              "[{\"type\":\"input_text\",\"text\":\"x\"}]}"));
    takes(body_response, ITEM("{\"type\":\"item_reference\",\"id\":\"msg_1\"}"));
    takes(body_response, ITEM("{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]}"));
    takes(body_response,
          ITEM("{\"type\":\"mcp_call\",\"id\":\"mcp_1\",\"server_label\":\"penstock\",\"name\":"
               "\"calculator\",\"arguments\":\"{}\",\"output\":\"3\",\"error\":null,"
               "\"approval_request_id\":null,\"status\":\"completed\"}"));
}

Test(responses, refuse_items_by_their_place)
{
    refuses(body_response, ITEM("{\"role\":\"tool\",\"content\":\"x\"}"), "input[0].role",
            "invalid_value");
    refuses(body_response, ITEM("{\"type\":\"computer_call\"}"), "input[0].type",
            "unsupported_value");
    refuses(body_response,
            ITEM("{\"role\":\"user\",\"content\":[{\"type\":\"input_file\",\"file_id\":\"f\"}]}"),
            "input[0].content[0].type", "invalid_value");
    refuses(body_response,
            ITEM("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":"
                 "\"ftp://x\"}]}"),
            "input[0].content[0].image_url", "invalid_value");
    refuses(body_response,
            ITEM("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"file_id\":\"x\"}]}"),
            "input[0].content[0].file_id", "invalid_value");
    refuses(body_response,
            ITEM("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"detail\":\"low\"}]}"),
            "input[0].content[0].image_url", "missing_required_parameter");
    refuses(body_response,
            ITEM("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"file_id\":\"" A_FILE
                 "\",\"image_url\":\"https://x\"}]}"),
            "input[0].content[0].file_id", "invalid_value");
    refuses(body_response, ITEM("{\"role\":\"user\"}"), "input[0].content",
            "missing_required_parameter");
    refuses(body_response, ITEM("{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"\"}"),
            "input[0].call_id", "missing_required_parameter");
    refuses(body_response, ITEM("7"), "input[0]", "invalid_type");
}

/* ---- from a body to the request for a run ---- */

static void becomes(const char *body_text, bool has_agent, const char *expected)
{
    const struct response_place place = {.has_agent = has_agent};
    struct json_object *body = parse(body_text);
    struct json_object *wanted = parse(expected);
    struct json_object *run = NULL;
    struct failure failure;

    cr_assert_eq(fields_check(body_response, body, NULL, &failure), 0, "%s", failure.message);
    cr_assert_eq(response_request(body, &place, &run, &failure), 0, "%s", failure.message);
    cr_assert(json_object_equal(run, wanted), "%s", json_object_to_json_string(run));
    json_free(run);
    json_free(wanted);
    json_free(body);
}

Test(responses, become_requests_for_runs)
{
    becomes(BODY("\"input\":\"Hi\""), false, "{\"model\":\"m\"}");
    becomes(
        BODY("\"input\":\"Hi\",\"instructions\":\"Be brief\",\"temperature\":0.5,\"top_p\":1,"
             "\"max_output_tokens\":100,\"parallel_tool_calls\":false,\"metadata\":{\"a\":\"b\"}"),
        false,
        "{\"model\":\"m\",\"instructions\":\"Be brief\",\"temperature\":0.5,\"top_p\":1,"
        "\"max_output_tokens\":100,\"parallel_tool_calls\":false,\"metadata\":{\"a\":\"b\"}}");
    becomes(BODY("\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\"},\"user\":\"ann\","
                 "\"service_tier\":\"flex\""),
            false,
            "{\"model\":\"m\",\"reasoning_effort\":\"low\",\"user\":\"ann\",\"priority\":\"low\"}");
    becomes(BODY("\"safety_identifier\":\"bob\""), false, "{\"model\":\"m\",\"user\":\"bob\"}");
    becomes(BODY("\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"strict\":true,"
                 "\"schema\":{\"type\":\"object\"}}}"),
            false,
            "{\"model\":\"m\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
            "\"name\":\"n\",\"strict\":true,\"schema\":{\"type\":\"object\"}}}}");
    becomes(BODY("\"text\":{\"verbosity\":\"high\"}"), true, "{\"verbosity\":\"high\"}");
    becomes(BODY("\"text\":{\"format\":{\"type\":\"text\"}}"), false,
            "{\"model\":\"m\",\"response_format\":{\"type\":\"text\"}}");
}

Test(responses, bring_functions_on_top_of_an_agents_tools)
{
    becomes(BODY("\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{\"type\":"
                 "\"object\"},\"strict\":true}],\"tool_choice\":{\"type\":\"function\",\"name\":"
                 "\"f\"}"),
            true,
            "{\"functions\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{"
            "\"type\":\"object\"},\"strict\":true}}],\"tool_choice\":{\"type\":\"function\","
            "\"function\":{\"name\":\"f\"}}}");
    becomes(BODY("\"tools\":[]"), true, "{}");
    becomes(BODY("\"tools\":[{\"type\":\"mcp\",\"server_label\":\"penstock\"}]"), true, "{}");
    becomes(
        BODY("\"tools\":[{\"type\":\"mcp\",\"server_label\":\"penstock\",\"allowed_tools\":["
             "\"calculator\"]}],\"tool_choice\":{\"type\":\"mcp\",\"server_label\":\"penstock\","
             "\"name\":\"calculator\"}"),
        true, "{\"tools\":[{\"type\":\"calculator\"}],\"tool_choice\":{\"type\":\"calculator\"}}");
}

static void is_refused(const char *body_text, bool has_agent, const char *param)
{
    const struct response_place place = {.has_agent = has_agent};
    struct json_object *body = parse(body_text);
    struct json_object *run = NULL;
    struct failure failure;

    cr_assert_eq(fields_check(body_response, body, NULL, &failure), 0, "%s", failure.message);
    cr_assert_eq(response_request(body, &place, &run, &failure), -E_INVALID);
    cr_assert_str_eq(failure.param, param, "%s", failure.message);
    cr_assert_str_eq(failure.code, "tool_not_permitted");
    json_free(body);
}

Test(responses, have_no_tools_of_a_server_without_an_agent)
{
    is_refused(BODY("\"tools\":[{\"type\":\"mcp\",\"server_label\":\"penstock\"}]"), false,
               "tools");
    is_refused(BODY("\"tools\":[{\"type\":\"mcp\",\"server_label\":\"penstock\",\"allowed_tools\":"
                    "[\"function\"]}]"),
               true, "tools[0].allowed_tools[0]");
}

/* ---- items ---- */

static struct uuid id(uint8_t n)
{
    struct uuid uuid = {{n}};

    return uuid;
}

/* Ids of messages, as they are shown. */
#define H00 "00000000000000000000000000000000"
#define H01 "01000000000000000000000000000000"
#define H02 "02000000000000000000000000000000"
#define H03 "03000000000000000000000000000000"
#define H04 "04000000000000000000000000000000"
#define H0A "0A000000000000000000000000000000"

Test(items, have_ids_that_are_read_back)
{
    const struct item_id ids[] = {{ITEM_MESSAGE, id(1), 0},
                                  {ITEM_FUNCTION_CALL, id(2), 0},
                                  {ITEM_FUNCTION_CALL, id(2), 255},
                                  {ITEM_SERVER_CALL, id(3), 7},
                                  {ITEM_OUTPUT, id(4), 0}};
    static const char *const wrong[] = {
        "", "msg_", "fc_" H01, "msg_" H01 "00", "fc_" H0A "00", "call_1", "rs_" H01, "msg_" H00};
    char text[ITEM_ID_SIZE];
    struct item_id read;

    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        item_id_format(ids[i], text);
        cr_assert(item_id_parse(text_of(text), &read), "%s", text);
        cr_assert_eq(read.kind, ids[i].kind);
        cr_assert(uuid_equal(read.message, ids[i].message));
        cr_assert_eq(read.place, ids[i].place);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        cr_assert_not(item_id_parse(text_of(wrong[i]), &read), "%s", wrong[i]);
}

static void shows(const struct item_source *source, const char *expected)
{
    struct json_object *wanted = parse(expected);
    struct json_object *shown = NULL;
    struct items items;
    struct arena arena;
    struct buf json;
    struct error err;

    arena_init(&arena, 0);
    buf_init(&json, 0);
    cr_assert_eq(items_of(source, &arena, &items, &err), 0);
    buf_add_char(&json, '[');
    items_write(&items, &json);
    buf_add_char(&json, ']');
    cr_assert_eq(json_decode(buf_text(&json), 64, &shown, &err), 0, "%s", buf_string(&json));
    cr_assert(json_object_equal(shown, wanted), "%s", buf_string(&json));
    json_free(shown);
    json_free(wanted);
    buf_deinit(&json);
    arena_deinit(&arena);
}

#define TEXT_OF(text) "[{\"type\":\"text\",\"text\":{\"value\":\"" text "\",\"annotations\":[]}}]"

Test(items, are_what_was_said_and_called)
{
    static struct text spec =
        TEXT("{\"tools\":[{\"type\":\"calculator\"},{\"type\":\"function\",\"function\":{\"name\":"
             "\"weather\"}}]}");
    const struct message messages[] = {
        {.id = id(1),
         .role = MESSAGE_ASSISTANT,
         .run_id = id(9),
         .content = TEXT(TEXT_OF("Wait")),
         .tool_calls = TEXT("[{\"id\":\"a\",\"name\":\"calculator\",\"arguments\":\"{}\"},"
                            "{\"id\":\"b\",\"name\":\"weather\",\"arguments\":\"{}\"}]"),
         .status = TEXT("completed")},
        {.id = id(2),
         .role = MESSAGE_TOOL,
         .run_id = id(9),
         .content = TEXT(TEXT_OF("3")),
         .tool_call_id = TEXT("a")},
        {.id = id(3),
         .role = MESSAGE_TOOL,
         .content = TEXT(TEXT_OF("12")),
         .tool_call_id = TEXT("b")},
        {.id = id(4),
         .role = MESSAGE_USER,
         .content = TEXT("[{\"type\":\"text\",\"text\":{\"value\":\"See\",\"annotations\":[]}},"
                         "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x\"}},"
                         "{\"type\":\"image_file\",\"image_file\":{\"file_id\":\"" A_FILE
                         "\",\"detail\":\"low\"}}]"),
         .status = TEXT("completed")},
    };
    struct step_thoughts thoughts = {&(struct step_thought){.step = id(1), .text = TEXT("Hm")}, 1};
    struct item_source source = {messages, 4, item_is_servers_of, &spec, false, &thoughts};

    shows(&source,
          "[{\"id\":\"rs_" H01 "\",\"type\":\"reasoning\",\"status\":\"completed\",\"summary\":[{"
          "\"type\":\"summary_text\",\"text\":\"Hm\"}]},"
          "{\"id\":\"msg_" H01 "\",\"type\":\"message\",\"status\":\"completed\",\"role\":"
          "\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Wait\","
          "\"annotations\":[],"
          "\"logprobs\":[]}]},"
          "{\"id\":\"mcp_" H01 "00\",\"type\":\"mcp_call\",\"status\":\"completed\","
          "\"server_label\":\"penstock\",\"name\":\"calculator\",\"arguments\":\"{}"
          "\","
          "\"approval_request_id\":null,\"error\":null,\"output\":\"3\"},"
          "{\"id\":\"fc_" H01 "01\",\"type\":\"function_call\",\"status\":\"completed\","
          "\"call_id\":\"b\",\"name\":\"weather\",\"arguments\":\"{}\"},"
          "{\"id\":\"fco_" H03 "\",\"type\":\"function_call_output\",\"status\":"
          "\"completed\","
          "\"call_id\":\"b\",\"output\":\"12\"},"
          "{\"id\":\"msg_" H04 "\",\"type\":\"message\",\"status\":"
          "\"completed\",\"role\":"
          "\"user\",\"content\":[{\"type\":\"input_text\","
          "\"text\":\"See\"},{\"type\":"
          "\"input_image\",\"detail\":\"auto\",\"file_id\":"
          "null,\"image_url\":\"https://x\"},{\"type\":\"input_image\",\"detail\":\"low\","
          "\"file_id\":\"" A_FILE "\",\"image_url\":null}]}]");
    source.is_servers = item_is_servers; /* the same is told without the run */
    cr_assert(item_is_servers(NULL, TEXT("\"calculator\""), &messages[1]));
    cr_assert_not(item_is_servers(NULL, TEXT("\"calculator\""), &messages[2]));
    cr_assert_not(item_is_servers(NULL, TEXT("\"weather\""), NULL));
}

Test(items, of_a_run_in_work_may_still_come_to_something)
{
    const struct message calls = {
        .id = id(1),
        .role = MESSAGE_ASSISTANT,
        .hidden = true,
        .content = TEXT("[]"),
        .tool_calls = TEXT("[{\"id\":\"a\",\"name\":\"calculator\",\"arguments\":\"{}\"}]"),
    };
    struct item_source source = {&calls, 1, item_is_servers, NULL, true, NULL};

    shows(&source, "[{\"id\":\"mcp_" H01 "00\",\"type\":\"mcp_call\",\"status\":\"in_progress\","
                   "\"server_label\":\"penstock\",\"name\":\"calculator\",\"arguments\":\"{}\","
                   "\"approval_request_id\":null,\"error\":null,\"output\":null}]");
    source.in_work = false;
    shows(&source, "[{\"id\":\"mcp_" H01 "00\",\"type\":\"mcp_call\",\"status\":\"incomplete\","
                   "\"server_label\":\"penstock\",\"name\":\"calculator\",\"arguments\":\"{}\","
                   "\"approval_request_id\":null,\"error\":null,\"output\":null}]");
}

/* ---- a run, shown as a response ---- */

static struct json_object *show(const struct run *run)
{
    struct json_object *shown = NULL;
    struct buf json;
    struct error err;

    buf_init(&json, 0);
    response_write(run, TEXT(""), &json);
    cr_assert_eq(json_decode(buf_text(&json), 64, &shown, &err), 0, "%s", buf_string(&json));
    buf_deinit(&json);
    return shown;
}

static void has(struct json_object *object, const char *member, const char *expected)
{
    struct json_object *wanted = parse(expected);

    cr_assert(json_has(object, member), "%s is absent", member);
    cr_assert(json_object_equal(json_get(object, member), wanted), "%s: %s", member,
              json_object_to_json_string(json_get(object, member)));
    json_free(wanted);
}

Test(responses, show_a_run)
{
    struct run run = {
        .id = id(1),
        .thread_id = id(2),
        .status = RUN_COMPLETED,
        .created_at = 100,
        .completed_at = 105,
        .metadata = TEXT("{\"a\":\"b\"}"),
        .used = {.prompt_tokens = 7,
                 .completion_tokens = 5,
                 .cached_tokens = 2,
                 .reasoning_tokens = 1},
        .spec = TEXT("{\"model\":\"gpt-4o\",\"instructions\":\"Be brief\",\"tools\":[{\"type\":"
                     "\"calculator\"},{\"type\":\"function\",\"function\":{\"name\":\"f\","
                     "\"strict\":true}}],\"temperature\":0.5,\"tool_choice\":{\"type\":"
                     "\"function\",\"function\":{\"name\":\"f\"}},\"response_format\":{\"type\":"
                     "\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{}}},"
                     "\"response\":{\"background\":false,\"store\":true,\"conversation\":true,"
                     "\"model\":\"helper\"}}"),
    };
    struct json_object *shown = show(&run);

    has(shown, "id", "\"resp_" H01 "\"");
    has(shown, "object", "\"response\"");
    has(shown, "status", "\"completed\"");
    has(shown, "completed_at", "105");
    has(shown, "error", "null");
    has(shown, "output", "[]");
    has(shown, "model", "\"helper\"");
    has(shown, "background", "false");
    has(shown, "conversation", "{\"id\":\"conv_" H02 "\"}");
    has(shown, "tools",
        "[{\"type\":\"function\",\"name\":\"f\",\"description\":null,\"parameters\":null,"
        "\"strict\":true},{\"type\":\"mcp\",\"server_label\":\"penstock\",\"require_approval\":"
        "\"never\",\"allowed_tools\":[\"calculator\"]}]");
    has(shown, "tool_choice", "{\"type\":\"function\",\"name\":\"f\"}");
    has(shown, "text",
        "{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{},"
        "\"strict\":null},\"verbosity\":\"medium\"}");
    has(shown, "usage",
        "{\"input_tokens\":7,\"input_tokens_details\":{\"cached_tokens\":2,\"cache_write_tokens\":"
        "0},"
        "\"output_tokens\":5,\"output_tokens_details\":{\"reasoning_tokens\":1},"
        "\"total_tokens\":12}");
    json_free(shown);
}

Test(responses, show_how_a_run_ended)
{
    struct run run = {.id = id(1), .thread_id = id(2), .spec = TEXT("{\"model\":\"m\"}")};
    struct json_object *shown;

    run.status = RUN_FAILED;
    run.last_error = TEXT("{\"code\":\"rate_limit_exceeded\",\"message\":\"Too many\"}");
    shown = show(&run);
    has(shown, "status", "\"failed\"");
    has(shown, "error", "{\"code\":\"rate_limit_exceeded\",\"message\":\"Too many\"}");
    json_free(shown);

    run.status = RUN_EXPIRED;
    run.last_error = TEXT_NONE;
    shown = show(&run);
    has(shown, "status", "\"failed\"");
    cr_assert(text_is(json_get_text(json_get(shown, "error"), "code"), "server_error"));
    json_free(shown);

    run.status = RUN_INCOMPLETE;
    run.incomplete_reason = TEXT("max_completion_tokens");
    shown = show(&run);
    has(shown, "incomplete_details", "{\"reason\":\"max_output_tokens\"}");
    has(shown, "error", "null");
    json_free(shown);

    run.status = RUN_QUEUED;
    shown = show(&run);
    has(shown, "status", "\"queued\"");
    has(shown, "usage", "null");
    has(shown, "incomplete_details", "null");
    json_free(shown);
}
