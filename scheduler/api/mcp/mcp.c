/* The MCP server: https://modelcontextprotocol.io/specification, Streamable HTTP, at /mcp.
 *
 *     POST /mcp ─► who asks, where from (below) ─► mcp_message.c: what is asked, in which era
 *                     ├─ tools/list   mcp_tools.c   the fixed tools, and a page of agents
 *                     └─ tools/call   mcp_call.c    the API's own endpoint makes the run
 *                                        └─ mcp_wait.c: its end, or its progress as events
 *
 * There is no second way to a run: a call is a request in the name of this one (request_inner), so
 * body, permissions, limits and idempotency are those of the API. Nothing is kept between messages,
 * in either era: any scheduler answers any of them. The session id of a legacy client is a name
 * that it says with its requests, and no row or memory here: so it is never lost or refused.
 */

#include "scheduler/api/mcp/mcp.h"

#include <stdio.h>
#include <string.h>

#include "scheduler/api/mcp/resources.h"
#include "shared/fiber/offload.h"

enum { DEPTH_MAX = 32, DISCOVER_TTL_MS = 3600000 };

#define SESSION_MAX 128

static const char instructions[] =
    "Each tool whose name has no underscore is an agent: give it work as 'input'. Where it takes "
    "longer than 'wait_s', or needs an answer, the result says so and names the run: ask again "
    "with "
    "run_get, give up with run_cancel, answer with run_submit_outputs. 'thread_id' of a result "
    "goes "
    "on with that conversation.";

/* ---- what a client may ask for ---- */

static void write_capabilities(struct json_write *w)
{
    json_write_open_object(w, "capabilities");
    json_write_open_object(w, "tools");
    json_write_bool(w, "listChanged", false);
    json_write_close(w);
    json_write_close(w);
}

static int discover(struct mcp *mcp)
{
    struct json_write w;

    mcp_result_open(&mcp->message, &w, &mcp->request->reply);
    mcp_revisions_write(&w, "supportedVersions");
    write_capabilities(&w);
    json_write_string(&w, "instructions", instructions);
    json_write_int(&w, "ttlMs", DISCOVER_TTL_MS);
    json_write_string(&w, "cacheScope", "public");
    mcp_result_close(&mcp->message, &w);
    return 0;
}

static void give_session(struct request *request)
{
    uint8_t bytes[16];
    char session[2 * sizeof(bytes) + 1];

    random_bytes(bytes, sizeof(bytes));
    *text_put_hex(session, bytes, sizeof(bytes)) = '\0';
    http_add_header(request->exchange, "Mcp-Session-Id", text_of(session));
}

static int initialize(struct mcp *mcp)
{
    struct text asked = json_get_text(mcp->message.params, "protocolVersion");
    struct text revision = mcp_initialize_revision(asked);
    struct json_write w;

    if (!asked.ptr)
        return mcp_fail(&mcp->failure, 200, MCP_INVALID_PARAMS,
                        "Invalid params: 'protocolVersion' must be a string.");
    give_session(mcp->request);
    mcp_result_open(&mcp->message, &w, &mcp->request->reply);
    json_write_text(&w, "protocolVersion", revision);
    write_capabilities(&w);
    mcp_server_info_write(&w, "serverInfo");
    json_write_string(&w, "instructions", instructions);
    mcp_result_close(&mcp->message, &w);
    return 0;
}

static int ping(struct mcp *mcp)
{
    struct json_write w;

    mcp_result_open(&mcp->message, &w, &mcp->request->reply);
    mcp_result_close(&mcp->message, &w);
    return 0;
}

enum { IN_LEGACY = 1 << MCP_LEGACY, IN_MODERN = 1 << MCP_MODERN };

static const struct {
    const char *name;
    unsigned eras;
    mcp_fn handle;
} methods[] = {
    {"server/discover", IN_MODERN, discover},
    {"initialize", IN_LEGACY, initialize},
    {"ping", IN_LEGACY, ping},
    {"tools/list", IN_LEGACY | IN_MODERN, mcp_tools_list},
    {"tools/call", IN_LEGACY | IN_MODERN, mcp_tools_call},
};

static int unknown_method(struct mcp *mcp)
{
    const struct mcp_message *message = &mcp->message;
    struct text legacy = mcp->revision.len > 0 ? mcp->revision : TEXT(MCP_LEGACY_REVISION);
    char shown[64];

    text_excerpt(message->method, shown, sizeof(shown));
    return mcp_fail(&mcp->failure, message->era == MCP_MODERN ? 404 : 200, MCP_METHOD_NOT_FOUND,
                    "Method not found: '%s'. Of revision %.*s there are %s.", shown,
                    TEXT_ARGS(message->era == MCP_MODERN ? TEXT(MCP_MODERN_REVISION) : legacy),
                    message->era == MCP_MODERN ? "server/discover, tools/list and tools/call"
                                               : "initialize, ping, tools/list and tools/call");
}

static int answer(struct mcp *mcp)
{
    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++)
        if (text_is(mcp->message.method, methods[i].name) &&
            methods[i].eras & 1U << mcp->message.era)
            return methods[i].handle(mcp);
    return unknown_method(mcp);
}

/* ---- where a message comes from ---- */

/* A page that a browser shows has an origin. One that is not known may be that of somebody who gave
 * our address a name of his own (DNS rebinding), so it makes no difference that it is ours. */
static bool may_ask(const char *origins, struct text origin)
{
    struct text rest = text_of(origins);

    while (rest.len > 0) {
        struct text one = rest;

        if (!text_cut(rest, ',', &one, &rest))
            rest = TEXT_NONE;
        one = text_trim(one);
        if (one.len == origin.len && strncasecmp(one.ptr, origin.ptr, one.len) == 0)
            return true;
    }
    return false;
}

static int check_origin(struct mcp *mcp)
{
    struct text origin = text_trim(http_header_get(mcp->request->exchange, "origin"));

    if (origin.len == 0 || may_ask(mcp->request->api->mcp_origins, origin))
        return 0;
    return mcp_fail(&mcp->failure, 403, MCP_INVALID_REQUEST,
                    "Forbidden: this Origin may not ask. An operator names those that may in "
                    "scheduler.mcp_origins.");
}

static int check_media(struct mcp *mcp)
{
    struct text type = http_header_get(mcp->request->exchange, "content-type");
    struct text rest;

    (void)text_cut(type, ';', &type, &rest);
    if (text_is_nocase(text_trim(type), "application/json"))
        return 0;
    return mcp_fail(&mcp->failure, 415, MCP_INVALID_REQUEST,
                    "Invalid Request: the Content-Type must be application/json.");
}

/* ---- reading ---- */

struct decoding {
    struct text body;
    struct json_object **out;
    struct error *err;
    int result;
};

static void decode(void *arg)
{
    struct decoding *decoding = arg;

    decoding->result = json_decode(decoding->body, DEPTH_MAX, decoding->out, decoding->err);
}

static int read_body(struct mcp *mcp)
{
    struct request *request = mcp->request;
    struct error err;
    struct decoding decoding = {request->exchange->body, &request->body, &err, 0};

    offload_large(decoding.body.len, decode, &decoding);
    if (decoding.result < 0)
        return mcp_fail(&mcp->failure, 400, MCP_PARSE_ERROR, "Parse error: %s.", err.text);
    return 0;
}

/* TEXT_NONE where it can be none that was given. */
static struct text read_session(const struct http_exchange *exchange)
{
    struct text session = text_trim(http_header_get(exchange, "mcp-session-id"));

    for (size_t i = 0; i < session.len; i++)
        if (session.ptr[i] < 0x21 || session.ptr[i] > 0x7e)
            return TEXT_NONE;
    return session.len > 0 && session.len <= SESSION_MAX ? session : TEXT_NONE;
}

static int read_token(struct mcp *mcp)
{
    struct json_object *token = json_get(mcp->message.meta, "progressToken");

    if (!token || mcp_token_read(token, &mcp->request->exchange->arena, &mcp->token))
        return 0;
    return mcp_fail(&mcp->failure, 400, MCP_INVALID_PARAMS,
                    "Invalid params: 'progressToken' must be a string of up to 256 bytes or an "
                    "integer of 64 bits.");
}

static bool takes_events(const struct http_exchange *exchange)
{
    struct text rest = http_header_get(exchange, "accept");

    while (rest.len > 0) {
        struct text one = rest;
        struct text parameters;

        if (!text_cut(rest, ',', &one, &rest))
            rest = TEXT_NONE;
        (void)text_cut(one, ';', &one, &parameters);
        if (text_is_nocase(text_trim(one), "text/event-stream"))
            return true;
    }
    return false;
}

static int read_message(struct mcp *mcp)
{
    struct http_exchange *exchange = mcp->request->exchange;
    const struct mcp_heads heads = {
        .version = text_trim(http_header_get(exchange, "mcp-protocol-version")),
        .method = text_trim(http_header_get(exchange, "mcp-method")),
        .name = text_trim(http_header_get(exchange, "mcp-name")),
    };
    int r = check_origin(mcp);

    mcp->revision = text_prefix(heads.version, 32);
    if (r == 0)
        r = check_media(mcp);
    if (r == 0)
        r = read_body(mcp);
    if (r == 0)
        r = mcp_message_read(mcp->request->body, &heads, &exchange->arena, &mcp->message,
                             &mcp->failure);
    if (r < 0)
        return r;
    mcp->takes_events = takes_events(exchange);
    mcp->session = mcp->message.era == MCP_LEGACY ? read_session(exchange) : TEXT_NONE;
    return read_token(mcp);
}

/* What is no request has no answer. A modern client that gives a request up closes its response. */
static int take_notice(struct mcp *mcp)
{
    if (mcp->message.era == MCP_LEGACY && text_is(mcp->message.method, "notifications/cancelled"))
        mcp_cancelled(mcp);
    (void)http_reply(mcp->request->exchange, 202, "application/json", TEXT(""));
    return 0;
}

static int handle(struct request *request)
{
    struct mcp mcp = {.request = request};
    int r = read_message(&mcp);

    request->by_model = true;
    if (r == 0 && mcp.message.kind != MCP_REQUEST)
        return take_notice(&mcp);
    if (r == 0)
        r = answer(&mcp);
    if (r == 0)
        return 0;
    if (request->exchange->status != 0) /* its client is gone */
        return 0;
    buf_reset(&request->reply);
    mcp_error_write(&mcp.message, &mcp.failure, &request->reply);
    return mcp.failure.status == 200 ? 0 : mcp.failure.status;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/mcp",
     .handle = handle,
     .takes = TAKES_RAW},
};
/* clang-format on */

const struct endpoint_table mcp_endpoints = ENDPOINT_TABLE(table);
