/* Messages of the Model Context Protocol: eras, headers, ids, and the frames of answers. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "scheduler/api/mcp/mcp.h"
#include "shared/base/arena.h"
#include "shared/base/error.h"
#include "shared/json/json.h"

#define META                                                                                       \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                       \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}"

struct reading {
    struct json_object *body;
    struct arena arena;
    struct mcp_message message;
    struct mcp_failure failure;
    int result;
};

static struct reading read_it(const char *json, struct mcp_heads heads)
{
    struct reading reading = {.result = 0};
    struct error err;

    cr_assert_eq(json_decode(text_of(json), 32, &reading.body, &err), 0, "%s in %s", err.text,
                 json);
    arena_init(&reading.arena, 0);
    reading.result =
        mcp_message_read(reading.body, &heads, &reading.arena, &reading.message, &reading.failure);
    return reading;
}

static void done(struct reading *reading)
{
    arena_deinit(&reading->arena);
    json_free(reading->body);
}

static void check_code(const char *json, struct mcp_heads heads, int code)
{
    struct reading reading = read_it(json, heads);

    cr_assert_lt(reading.result, 0, "%s", json);
    cr_assert_eq((int)reading.failure.code, code, "%d in %s", (int)reading.failure.code, json);
    done(&reading);
}

static void check_era(const char *json, struct mcp_heads heads, enum mcp_era era)
{
    struct reading reading = read_it(json, heads);

    cr_assert_eq(reading.result, 0, "%s in %s", reading.failure.message, json);
    cr_assert_eq(reading.message.era, era, "%s", json);
    done(&reading);
}

#define HEADS(version_, method_)                                                                   \
    ((struct mcp_heads){.version = TEXT(version_), .method = TEXT(method_)})

Test(mcp_message, is_of_the_era_whose_marks_it_has)
{
    static const char list[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}";
    static const char hello[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}";

    check_era(list, (struct mcp_heads){.version = TEXT_NONE}, MCP_LEGACY);
    check_era(list, (struct mcp_heads){.version = TEXT("2025-06-18")}, MCP_LEGACY);
    check_era(hello, (struct mcp_heads){.version = TEXT("2026-07-28")}, MCP_LEGACY);
    check_era("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{" META "}}",
              HEADS("2026-07-28", "tools/list"), MCP_MODERN);
    check_code(list, HEADS("2026-07-28", "tools/list"), MCP_INVALID_PARAMS);
    check_code(list, (struct mcp_heads){.version = TEXT("2027-01-01")}, MCP_UNSUPPORTED_VERSION);
    check_code("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\"}",
               (struct mcp_heads){.version = TEXT_NONE}, MCP_INVALID_PARAMS);
}

Test(mcp_message, has_headers_that_say_what_its_body_says)
{
    static const char call[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{"
        "\"name\":\"a b\"," META "}}";
    struct mcp_heads heads = HEADS("2026-07-28", "tools/call");

    check_code(call, heads, MCP_HEADER_MISMATCH);
    heads.name = TEXT("a b");
    check_era(call, heads, MCP_MODERN);
    heads.name = TEXT("=?base64?YSBi?=");
    check_era(call, heads, MCP_MODERN);
    heads.name = TEXT("=?base64?YSBj?=");
    check_code(call, heads, MCP_HEADER_MISMATCH);
    heads.name = TEXT("=?base64?=");
    check_code(call, heads, MCP_HEADER_MISMATCH);
    heads.name = TEXT("=?base64?"
                      "?=");
    check_code(call, heads, MCP_HEADER_MISMATCH);
    heads.name = TEXT("\xff\xfe");
    check_code(call, heads, MCP_HEADER_MISMATCH);
    heads.name = TEXT("a b");
    heads.method = TEXT("tools/list");
    check_code(call, heads, MCP_HEADER_MISMATCH);
    heads.method = TEXT("tools/call");
    heads.version = TEXT("2025-11-25");
    check_code(call, heads, MCP_HEADER_MISMATCH);
    heads.version = TEXT_NONE;
    check_code(call, heads, MCP_HEADER_MISMATCH);
}

Test(mcp_message, keeps_its_id_as_it_was_said_where_that_can_be_kept)
{
    static const struct {
        const char *said;
        const char *kept; /* NULL: refused */
    } ids[] = {
        {"1", "1"},
        {"-9223372036854775807", "-9223372036854775807"},
        {"\"\\u00e4/\\\"\"", "\"\xc3\xa4/\\\"\""},
        {"\"\"", "\"\""},
        {"9223372036854775807", NULL},
        {"99999999999999999999", NULL},
        {"-9223372036854775808", NULL},
        {"1.5", NULL},
        {"1e3", NULL},
        {"null", NULL},
        {"false", NULL},
        {"{}", NULL},
    };
    char json[128];

    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        struct reading reading;

        (void)snprintf(json, sizeof(json), "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"ping\"}",
                       ids[i].said);
        reading = read_it(json, (struct mcp_heads){.version = TEXT_NONE});
        cr_assert_eq(reading.result == 0, ids[i].kept != NULL, "%s", json);
        if (ids[i].kept)
            cr_assert(text_is(reading.message.id, ids[i].kept), "%.*s for %s",
                      TEXT_ARGS(reading.message.id), json);
        done(&reading);
    }
}

Test(mcp_message, is_answered_with_its_id_or_with_none)
{
    struct reading bad = read_it("[]", (struct mcp_heads){.version = TEXT_NONE});
    struct reading late = read_it("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"x\",\"params\":[]}",
                                  (struct mcp_heads){.version = TEXT_NONE});
    CLEANUP(buf_deinit) struct buf out;

    buf_init(&out, 0);
    mcp_error_write(&bad.message, &bad.failure, &out);
    cr_assert_str_eq(buf_string(&out),
                     "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":"
                     "\"Invalid Request: a body is one message; batches are not "
                     "taken.\"}}");
    buf_reset(&out);
    mcp_error_write(&late.message, &late.failure, &out);
    cr_assert_str_eq(buf_string(&out), "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32602,"
                                       "\"message\":\"Invalid params: 'params' must be an "
                                       "object.\"}}");
    done(&bad);
    done(&late);
}

/* What clients are shown is written by hand, as JSON in C: it must be some, and say of arguments
 * what they are checked by. */
static void check_tool(const struct mcp_tool *tool)
{
    const char *const texts[] = {tool->schema, tool->output, tool->annotations};
    struct json_object *properties;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct json_object *json = NULL;
        struct error err;

        cr_assert_eq(json_decode(text_of(texts[i]), 32, &json, &err), 0, "%s: %s in %s", tool->name,
                     err.text, texts[i]);
        if (i == 0) {
            properties = json_get(json, "properties");
            cr_assert_eq((size_t)json_object_object_length(properties), tool->arguments->count);
            for (size_t k = 0; k < tool->arguments->count; k++)
                cr_assert(json_has(properties, tool->arguments->list[k].name), "%s",
                          tool->arguments->list[k].name);
        }
        json_free(json);
    }
}

Test(mcp_tools, say_in_their_schemas_what_is_checked)
{
    check_tool(&mcp_agent_tool);
    for (size_t i = 0; i < mcp_tools_count; i++)
        check_tool(&mcp_tools[i]);
}
