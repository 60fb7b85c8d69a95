/* The protocol as pure code: eras, messages, schemas, names, pages, results, approvals. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/mcp/mcp_approval.h"
#include "shared/mcp/mcp_era.h"
#include "shared/mcp/mcp_member.h"
#include "shared/mcp/mcp_message.h"
#include "shared/mcp/mcp_result.h"
#include "shared/mcp/mcp_schema.h"
#include "shared/mcp/mcp_tools.h"

static struct json_object *json(const char *text)
{
    struct json_object *read = NULL;
    struct error err = {0};

    cr_assert_eq(json_decode(text_of(text), 64, &read, &err), 0, "%s: %s", text, err.text);
    return read;
}

static enum mcp_verdict judge(bool is_guess, bool with_session, int status, const char *body)
{
    struct mcp_incoming message;
    struct error err;
    struct mcp_http_answer answer = {
        .is_guess = is_guess, .with_session = with_session, .status = status};
    enum mcp_verdict verdict;

    if (!body)
        return mcp_judge_http(&answer);
    cr_assert_eq(mcp_message_read(text_of(body), &message, &err), 0);
    answer.message = &message;
    verdict = mcp_judge_http(&answer);
    mcp_incoming_deinit(&message);
    return verdict;
}

#define RESULT "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"
#define FAILED(code, data)                                                                         \
    "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":" code                                   \
    ",\"message\":\"m\",\"data\":" data "}}"

Test(mcp_era, is_what_the_answer_to_the_first_request_says)
{
    cr_assert_eq(judge(true, false, 200, RESULT), MCP_ANSWERED);
    cr_assert_eq(judge(true, false, 400, FAILED("-32000", "null")), MCP_OTHER_ERA);
    cr_assert_eq(judge(true, false, 200, FAILED("-32600", "null")), MCP_OTHER_ERA);
    cr_assert_eq(judge(true, false, 404, NULL), MCP_OTHER_ERA);
    cr_assert_eq(judge(true, false, 405, NULL), MCP_OTHER_ERA);
    cr_assert_eq(judge(true, false, 400, FAILED("-32020", "null")), MCP_ANSWERED);
    cr_assert_eq(judge(true, false, 404, FAILED("-32601", "null")), MCP_ANSWERED);
    cr_assert_eq(judge(true, false, 400, FAILED("-32022", "{\"supported\":[\"2027-01-01\"]}")),
                 MCP_ANSWERED, "newer than this client: no reason for initialize");
    cr_assert_eq(judge(true, false, 400, FAILED("-32022", "{\"supported\":[\"2025-06-18\"]}")),
                 MCP_OTHER_ERA);
    cr_assert_eq(judge(true, false, 401, NULL), MCP_NOT_ALLOWED);
    cr_assert_eq(judge(true, false, 503, NULL), MCP_REFUSED);
    cr_assert_eq(judge(true, false, 429, NULL), MCP_REFUSED);
}

Test(mcp_era, knows_a_lost_session_by_all_that_servers_say)
{
    cr_assert_eq(judge(false, true, 404, NULL), MCP_SESSION_LOST);
    cr_assert_eq(judge(false, true, 400, FAILED("-32000", "null")), MCP_SESSION_LOST);
    cr_assert_eq(judge(false, true, 401, FAILED("-32001", "null")), MCP_SESSION_LOST);
    cr_assert_eq(judge(false, true, 401, NULL), MCP_NOT_ALLOWED);
    cr_assert_eq(judge(false, true, 400, FAILED("-32602", "null")), MCP_ANSWERED);
    cr_assert_eq(judge(false, false, 404, NULL), MCP_REFUSED, "it named none");
}

Test(mcp_message, says_all_about_itself_in_the_newer_era_and_nothing_in_the_older)
{
    struct mcp_outgoing message = {
        .era = MCP_ERA_LEGACY, .id = 7, .method = "tools/call", .members = TEXT("\"name\":\"x\"")};
    struct buf out;

    buf_init(&out, 0);
    mcp_message_write(&message, &out);
    cr_assert_str_eq(
        buf_string(&out),
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"x\"}}");
    message.era = MCP_ERA_MODERN;
    message.progress = true;
    buf_reset(&out);
    mcp_message_write(&message, &out);
    cr_assert(strstr(buf_string(&out), "\"params\":{\"name\":\"x\",\"_meta\":{\"io."
                                       "modelcontextprotocol/protocolVersion\":\"2026-07-28\""));
    cr_assert(strstr(buf_string(&out), "\"progressToken\":7}}}"));
    buf_deinit(&out);
}

Test(mcp_message, is_read_though_it_is_badly_written)
{
    struct mcp_incoming message;
    struct error err;

    cr_assert_eq(
        mcp_message_read(TEXT("\xef\xbb\xbf{\"id\":\"12\",\"result\":{\"a\":\"\xff\\u0000\"}}"),
                         &message, &err),
        0);
    cr_assert_eq(message.kind, MCP_RESPONSE);
    cr_assert_eq(message.id, 12);
    mcp_incoming_deinit(&message);
    for (size_t i = 0; i < 4; i++) {
        static const char *const wrong[] = {"", "[]", "{\"id\":1}", "{\"id\":1,\"result\":"};

        cr_assert_eq(mcp_message_read(text_of(wrong[i]), &message, &err), -E_PROTOCOL, "%s",
                     wrong[i]);
    }
}

static void check_schema(const char *from, const char *expected)
{
    CLEANUP(json_freep) struct json_object *schema = from ? json(from) : NULL;
    struct buf out;
    struct error err = {0};
    int r;

    buf_init(&out, 0);
    r = mcp_schema_fit(schema, &out, &err);
    if (r < 0)
        cr_assert_str_eq(err.text, expected);
    else
        cr_assert_str_eq(buf_string(&out), expected);
    buf_deinit(&out);
}

Test(mcp_schema, is_made_fit)
{
    check_schema(NULL, "{\"type\":\"object\",\"properties\":{}}");
    check_schema("{\"type\":\"object\"}", "{\"type\":\"object\",\"properties\":{}}");
    check_schema(
        "{\"$schema\":\"x\",\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\"},"
        "\"b\":{\"x-mcp-header\":\"B\",\"type\":\"string\"}}}",
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"items\":{}},"
        "\"b\":{\"type\":\"string\"}}}");
    check_schema("{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/n\"}},"
                 "\"$defs\":{\"n\":{\"type\":\"integer\"}}}",
                 "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}}}");
    check_schema("{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"http://x/y\"}}}",
                 "its schema refers to http://x/y, which is not in it");
    check_schema("{\"type\":\"string\"}", "its arguments are no object");
}

Test(mcp_schema, ends_where_it_leads_to_itself)
{
    CLEANUP(json_freep)
    struct json_object *tree =
        json("{\"type\":\"object\",\"properties\":{\"kids\":{\"type\":\"array\",\"items\":"
             "{\"$ref\":\"#\"}}}}");
    CLEANUP(json_freep)
    struct json_object *bush =
        json("{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"},\"b\":{\"$ref\":\"#\"},"
             "\"c\":{\"$ref\":\"#\"},\"d\":{\"$ref\":\"#\"},\"e\":{\"$ref\":\"#\"}}}");
    struct buf out;
    struct error err = {0};

    buf_init(&out, 0);
    cr_assert_eq(mcp_schema_fit(tree, &out, &err), 0, "%s", err.text);
    cr_assert_leq(out.len, MCP_SCHEMA_BYTES_MAX);
    cr_assert_eq(mcp_schema_fit(bush, &out, &err), -E_LIMIT);
    buf_deinit(&out);
}

Test(mcp_tools, have_names_that_providers_take)
{
    char name[MCP_MODEL_NAME_SIZE];
    char long_name[129];

    mcp_model_name(TEXT("desk"), TEXT("find-it"), false, name);
    cr_assert_str_eq(name, "desk__find-it");
    mcp_model_name(TEXT("desk"), TEXT("a.b"), false, name);
    cr_assert_eq(strncmp(name, "desk__a_b_", 10), 0);
    cr_assert_eq(strlen(name), 18);
    memset(long_name, 'x', 128);
    long_name[128] = 0;
    mcp_model_name(TEXT("desk"), text_of(long_name), false, name);
    cr_assert_eq(strlen(name), 64);
}

Test(mcp_tools, ask_for_headers_that_can_be_sent_or_drop_out)
{
    CLEANUP(json_freep)
    struct json_object *page =
        json("{\"tools\":[{\"name\":\"a\",\"inputSchema\":{\"type\":\"object\",\"properties\":{"
             "\"region\":"
             "{\"type\":\"string\",\"x-mcp-header\":\"Region\"}}}},"
             "{\"name\":\"b\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"c\":"
             "{\"type\":\"string\",\"x-mcp-header\":\"a b\"}}}}],\"nextCursor\":\"\"}");
    struct mcp_tools tools;
    struct error err;
    struct text cursor;

    mcp_tools_init(&tools);
    cr_assert_eq(mcp_tools_add_page(&tools, page, &cursor, &err), 0);
    cr_assert_eq(tools.count, 1);
    cr_assert(text_is(tools.items[0].headers, "{\"Mcp-Param-Region\":\"region\"}"));
    cr_assert_eq(tools.dropped, 1);
    cr_assert(cursor.ptr && cursor.len == 0, "an empty cursor is one");
    cr_assert_eq(mcp_tools_add_page(&tools, page, &cursor, &err), -E_PROTOCOL, "it comes again");
    mcp_tools_deinit(&tools);
}

static const char *approval(const char *rule_text, const char *name, bool read_only, char *out)
{
    CLEANUP(json_freep) struct json_object *rule = rule_text ? json(rule_text) : NULL;
    const struct mcp_approval_tool tool = {text_of(name), TEXT("x__a"), read_only};
    CLEANUP(json_freep) struct json_object *own = mcp_approval_for(rule, &tool);

    if (!own)
        return "never";
    memcpy(out, json_text(own).ptr, json_text(own).len + 1);
    return out;
}

Test(mcp_approval, is_decided_for_each_tool_as_far_as_it_is_not_about_arguments)
{
    static const struct {
        const char *rule, *name;
        bool read_only;
        const char *expected;
    } cases[] = {
        {NULL, "a", false, "never"},
        {"\"always\"", "a", true, "\"always\""},
        {"{\"always\":{\"tool_names\":[\"a\"]}}", "a", false, "\"always\""},
        {"{\"always\":{\"tool_names\":[\"a\"]}}", "b", false, "never"},
        {"{\"always\":{\"tool_names\":[\"x__a\"]}}", "a", false, "\"always\""},
        {"{\"never\":{\"tool_names\":[\"x__a\"]}}", "a", false, "\"always\""},
        {"{\"never\":{\"tool_names\":[\"a\"]}}", "a", false, "never"},
        {"{\"never\":{\"tool_names\":[\"a\"]}}", "b", false, "\"always\""},
        {"{\"never\":{\"read_only\":true}}", "a", true, "never"},
        {"{\"never\":{\"read_only\":true}}", "a", false, "\"always\""},
        {"{\"always\":{\"tool_names\":[\"a\"]},\"never\":{\"tool_names\":[\"a\",\"b\"]}}", "a",
         false, "\"always\""},
        {"{\"always\":{\"tool_names\":[\"a\"]},\"never\":{\"tool_names\":[\"b\"]}}", "c", false,
         "\"always\""},
        {"{\"always\":{\"tool_names\":[\"a\"],\"arguments\":[1]}}", "a", false,
         "{\"always\":{\"arguments\":[1]}}"},
        {"{\"never\":{\"arguments\":[1]}}", "a", false, "{\"never\":{\"arguments\":[1]}}"},
    };
    char out[200];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_str_eq(approval(cases[i].rule, cases[i].name, cases[i].read_only, out),
                         cases[i].expected, "case %zu", i);
}

Test(mcp_result, is_cut_between_characters)
{
    CLEANUP(json_freep)
    struct json_object *result =
        json("{\"content\":[{\"type\":\"text\",\"text\":\"\xc3\xa4\xc3\xa4\xc3\xa4\"}]}");
    const struct mcp_result_options options = {.max_bytes = 3};
    struct mcp_result_told told;
    struct buf out;

    buf_init(&out, 0);
    mcp_result_write(result, &options, &out, &told);
    cr_assert(told.is_cut);
    cr_assert_str_eq(buf_string(&out),
                     "\xc3\xa4\n[The answer was longer, and is cut here after 2 bytes.]");
    buf_deinit(&out);
}
