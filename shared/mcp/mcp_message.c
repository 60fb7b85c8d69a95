/* Messages, as text and back. */

#include "shared/mcp/mcp_message.h"

#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

#define CLIENT_INFO   "{\"name\":\"penstock\",\"version\":\"" PENSTOCK_VERSION "\"}"
#define MESSAGE_BYTES ((size_t)32 << 20)

static void write_meta(const struct mcp_outgoing *message, struct buf *out)
{
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    if (message->era != MCP_ERA_LEGACY) {
        json_write_string(&w, "io.modelcontextprotocol/protocolVersion", MCP_VERSION_MODERN);
        json_write_raw(&w, "io.modelcontextprotocol/clientInfo", TEXT(CLIENT_INFO));
        json_write_raw(&w, "io.modelcontextprotocol/clientCapabilities", TEXT("{}"));
    }
    if (message->progress)
        json_write_int(&w, "progressToken", message->id);
    if (message->traceparent)
        json_write_string(&w, "traceparent", message->traceparent);
    json_write_close(&w);
}

/* Of a notification nobody asks in which era it is. */
static bool has_meta(const struct mcp_outgoing *message)
{
    return message->id &&
           (message->era != MCP_ERA_LEGACY || message->progress || message->traceparent);
}

void mcp_message_write(const struct mcp_outgoing *message, struct buf *out)
{
    buf_add_string(out, "{\"jsonrpc\":\"2.0\",");
    if (message->id)
        buf_printf(out, "\"id\":%lld,", (long long)message->id);
    buf_printf(out, "\"method\":\"%s\",\"params\":{", message->method);
    buf_add_text(out, message->members);
    if (has_meta(message)) {
        buf_add_string(out, message->members.len > 0 ? ",\"_meta\":" : "\"_meta\":");
        write_meta(message, out);
    }
    buf_add_string(out, "}}");
}

void mcp_initialize_write(int64_t id, struct buf *out)
{
    buf_printf(out,
               "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"method\":\"initialize\",\"params\":{"
               "\"protocolVersion\":\"" MCP_VERSION_LEGACY "\",\"capabilities\":{},"
               "\"clientInfo\":" CLIENT_INFO "}}",
               (long long)id);
}

void mcp_reply_write(struct json_object *id, struct text method, struct buf *out)
{
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "jsonrpc", "2.0");
    json_write_raw(&w, "id", json_text(id));
    if (text_is(method, "ping"))
        json_write_raw(&w, "result", TEXT("{}"));
    else
        json_write_raw(&w, "error",
                       TEXT("{\"code\":-32601,\"message\":\"this client does not offer that\"}"));
    json_write_close(&w);
}

/* ---- reading ---- */

/* Of a response to us, whose ids are numbers; some servers give them back as strings. */
static int64_t read_id(struct json_object *id)
{
    int64_t number = 0;

    if (json_object_is_type(id, json_type_int))
        return json_object_get_int64(id);
    return text_to_int(json_string(id), &number) ? number : 0;
}

static int decode(struct text json, struct json_object **out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf strict = {0};
    struct text value;
    int r = json_raw_check(json, MCP_DEPTH_MAX, &value, err);

    buf_init(&strict, MESSAGE_BYTES);
    if (r == 0) {
        json_raw_write(value, &strict);
        r = buf_check(&strict, err);
    }
    if (r == 0)
        r = json_decode(buf_text(&strict), MCP_DEPTH_MAX, out, err);
    if (r < 0)
        return error_set(err, E_PROTOCOL, "the server sent a message that is no JSON");
    return 0;
}

static void read_error(struct json_object *error, struct mcp_incoming *out)
{
    out->is_error = true;
    out->code = json_get_int(error, "code", 0);
    out->said = json_get_text(error, "message");
    out->data = json_get(error, "data");
}

int mcp_message_read(struct text json, struct mcp_incoming *out, struct error *err)
{
    struct mcp_incoming read = {.kind = MCP_RESPONSE};
    int r = decode(json, &read.root, err);

    if (r < 0)
        return r;
    read.method = json_get_text(read.root, "method");
    read.params = json_get(read.root, "params");
    if (read.method.ptr) {
        read.whose = json_get(read.root, "id");
        read.kind = read.whose ? MCP_REQUEST : MCP_NOTIFICATION;
    } else if (json_get(read.root, "error")) {
        read.id = read_id(json_get(read.root, "id"));
        read_error(json_get(read.root, "error"), &read);
    } else if (json_has(read.root, "result")) {
        read.id = read_id(json_get(read.root, "id"));
        read.result = json_get(read.root, "result");
    } else {
        json_free(read.root);
        return error_set(err, E_PROTOCOL, "the server sent JSON that is no message of MCP");
    }
    *out = read;
    return 0;
}

void mcp_incoming_deinit(struct mcp_incoming *message)
{
    json_free(message->root);
    *message = (struct mcp_incoming){.kind = MCP_RESPONSE};
}

bool mcp_is_progress(const struct mcp_incoming *message, int64_t id)
{
    return message->kind == MCP_NOTIFICATION &&
           text_is(message->method, "notifications/progress") &&
           read_id(json_get(message->params, "progressToken")) == id;
}

bool mcp_is_list_changed(const struct mcp_incoming *message)
{
    return message->kind == MCP_NOTIFICATION &&
           text_is(message->method, "notifications/tools/list_changed");
}
