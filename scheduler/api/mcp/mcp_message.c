/* What is wrong with a message is told in the protocol's own numbers. In both eras the checks go
 * from the outside to the inside: JSON-RPC, headers and revision, and then what is asked. */

#include "scheduler/api/mcp/mcp_message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/arena.h"
#include "shared/base/error.h"
#include "shared/text/base64.h"

static const char *const legacy_revisions[] = {MCP_LEGACY_REVISION, "2025-06-18", "2025-03-26"};

int mcp_fail(struct mcp_failure *failure, int status, enum mcp_code code, const char *format, ...)
{
    va_list args;

    *failure = (struct mcp_failure){.status = status, .code = code};
    va_start(args, format);
    (void)vsnprintf(failure->message, sizeof(failure->message), format, args);
    va_end(args);
    return -E_INVALID;
}

static bool is_legacy(struct text revision)
{
    for (size_t i = 0; i < ARRAY_LENGTH(legacy_revisions); i++)
        if (text_is(revision, legacy_revisions[i]))
            return true;
    return false;
}

struct text mcp_initialize_revision(struct text asked)
{
    return is_legacy(asked) ? asked : TEXT(MCP_LEGACY_REVISION);
}

bool mcp_token_read(struct json_object *value, struct arena *arena, struct text *out)
{
    enum json_type type = json_type_of(value);
    int64_t number = type == json_type_int ? json_object_get_int64(value) : 0;
    struct text json;

    /* Beyond its ends json-c gives the ends, which is another number than was said. */
    if ((type != json_type_string && type != json_type_int) || number == INT64_MAX ||
        number == INT64_MIN)
        return false;
    json = json_text(value);
    if (json.len > MCP_ID_MAX)
        return false;
    *out = (struct text){arena_copy(arena, json), json.len};
    return out->ptr != NULL;
}

/* ---- JSON-RPC ---- */

static int malformed(struct mcp_failure *failure, const char *what)
{
    return mcp_fail(failure, 400, MCP_INVALID_REQUEST, "Invalid Request: %s.", what);
}

static int read_id(struct json_object *body, struct arena *arena, struct mcp_message *out,
                   struct mcp_failure *failure)
{
    if (!json_has(body, "id"))
        return 0;
    if (mcp_token_read(json_get(body, "id"), arena, &out->id))
        return 0;
    return malformed(failure, "'id' must be a string of up to 256 bytes or an integer of 64 bits");
}

static int read_params(struct json_object *body, struct mcp_message *out,
                       struct mcp_failure *failure)
{
    struct json_object *params = json_get(body, "params");
    struct json_object *meta = json_get(params, "_meta");

    if (params && json_type_of(params) != json_type_object)
        return mcp_fail(failure, 400, MCP_INVALID_PARAMS,
                        "Invalid params: 'params' must be an object.");
    if (meta && json_type_of(meta) != json_type_object)
        return mcp_fail(failure, 400, MCP_INVALID_PARAMS,
                        "Invalid params: 'params._meta' must be an object.");
    out->params = params;
    out->meta = meta;
    return 0;
}

static int read_frame(struct json_object *body, struct arena *arena, struct mcp_message *out,
                      struct mcp_failure *failure)
{
    int r;

    if (json_type_of(body) == json_type_array)
        return malformed(failure, "a body is one message; batches are not taken");
    if (json_type_of(body) != json_type_object)
        return malformed(failure, "a message is a JSON object");
    r = read_id(body, arena, out, failure);
    if (r < 0)
        return r;
    if (!text_is(json_get_text(body, "jsonrpc"), "2.0"))
        return malformed(failure, "'jsonrpc' must be \"2.0\"");
    out->method = json_get_text(body, "method");
    if (!out->method.ptr && (json_has(body, "result") || json_has(body, "error"))) {
        out->kind = MCP_RESPONSE;
        return 0;
    }
    if (!out->method.ptr)
        return malformed(failure, "'method' must be a string");
    out->kind = out->id.ptr ? MCP_REQUEST : MCP_NOTIFICATION;
    return read_params(body, out, failure);
}

/* ---- the modern era: headers and _meta ---- */

/* Of what may be any bytes. */
static void show(struct text text, char *out, size_t size)
{
    text_excerpt(text_is_utf8(text) ? text : TEXT("(no UTF-8)"), out, size);
}

static int mismatch(struct mcp_failure *failure, const char *header, struct text said,
                    struct text expected)
{
    char shown[80];
    char right[80];

    if (!said.ptr)
        return mcp_fail(failure, 400, MCP_HEADER_MISMATCH,
                        "Header mismatch: the header %s is missing.", header);
    show(said, shown, sizeof(shown));
    show(expected, right, sizeof(right));
    return mcp_fail(failure, 400, MCP_HEADER_MISMATCH,
                    "Header mismatch: %s is '%s', and the body says '%s'.", header, shown, right);
}

/* A name that a header can't say as it is stands there as =?base64?…?=. */
static bool says_name(struct text header, struct text name)
{
    static const char prefix[] = "=?base64?";
    struct text coded = header;
    struct buf plain;
    bool same;

    if (!text_starts(header, prefix) || !text_ends(header, "?=") || header.len < sizeof(prefix) + 1)
        return text_equal(header, name);
    coded.ptr += sizeof(prefix) - 1;
    coded.len -= sizeof(prefix) - 1 + 2;
    buf_init(&plain, 0);
    same = base64_read(coded, &plain) && text_equal(buf_text(&plain), name);
    buf_deinit(&plain);
    return same;
}

static int check_revision(struct text revision, struct mcp_failure *failure)
{
    char shown[64];

    if (text_is(revision, MCP_MODERN_REVISION))
        return 0;
    show(revision, shown, sizeof(shown));
    IGNORE(mcp_fail(failure, 400, MCP_UNSUPPORTED_VERSION,
                    is_legacy(revision)
                        ? "Unsupported protocol version: '%s' is spoken after 'initialize', "
                          "without '" MCP_VERSION_KEY "'."
                        : "Unsupported protocol version: '%s'.",
                    shown));
    memcpy(failure->requested, shown, sizeof(shown));
    return -E_INVALID;
}

static int missing_meta(struct mcp_failure *failure, const char *name)
{
    return mcp_fail(failure, 400, MCP_INVALID_PARAMS,
                    "Invalid params: 'params._meta' must have '%s'.", name);
}

static int check_modern(const struct mcp_heads *heads, const struct mcp_message *message,
                        struct mcp_failure *failure)
{
    struct text revision = json_get_text(message->meta, MCP_VERSION_KEY);
    struct json_object *capabilities = json_get(message->meta, MCP_CAPABILITIES_KEY);
    struct text name = json_get_text(message->params, "name");

    /* A revision that nobody speaks comes first: who asks for it learns what to ask for. */
    if (!revision.ptr && heads->version.ptr && check_revision(heads->version, failure) < 0)
        return -E_INVALID;
    if (!revision.ptr)
        return missing_meta(failure, MCP_VERSION_KEY);
    if (!text_equal(heads->version, revision))
        return mismatch(failure, "MCP-Protocol-Version", heads->version, revision);
    if (check_revision(revision, failure) < 0)
        return -E_INVALID;
    if (json_type_of(capabilities) != json_type_object)
        return missing_meta(failure, MCP_CAPABILITIES_KEY);
    if (!text_equal(heads->method, message->method))
        return mismatch(failure, "Mcp-Method", heads->method, message->method);
    if (!text_is(message->method, "tools/call"))
        return 0;
    if (!heads->name.ptr || !says_name(heads->name, name))
        return mismatch(failure, "Mcp-Name", heads->name, name.ptr ? name : TEXT(""));
    return 0;
}

/* By what it brings of the modern era. `initialize` is of the other one, whatever header a client
 * sends with it, and `server/discover` is of this one, unless a header says otherwise. */
static enum mcp_era era_of(const struct mcp_heads *heads, const struct mcp_message *message)
{
    if (json_has(message->meta, MCP_VERSION_KEY))
        return MCP_MODERN;
    if (text_is(message->method, "initialize"))
        return MCP_LEGACY;
    if (!heads->version.ptr)
        return text_is(message->method, "server/discover") ? MCP_MODERN : MCP_LEGACY;
    return is_legacy(heads->version) ? MCP_LEGACY : MCP_MODERN;
}

int mcp_message_read(struct json_object *body, const struct mcp_heads *heads, struct arena *arena,
                     struct mcp_message *out, struct mcp_failure *failure)
{
    int r;

    *out = (struct mcp_message){.era = MCP_LEGACY};
    r = read_frame(body, arena, out, failure);
    out->era = era_of(heads, out);
    if (r == 0 && out->era == MCP_MODERN && out->kind == MCP_REQUEST)
        r = check_modern(heads, out, failure);
    return r;
}

/* ---- answers ---- */

void mcp_revisions_write(struct json_write *w, const char *name)
{
    json_write_open_array(w, name);
    json_write_string(w, NULL, MCP_MODERN_REVISION);
    for (size_t i = 0; i < ARRAY_LENGTH(legacy_revisions); i++)
        json_write_string(w, NULL, legacy_revisions[i]);
    json_write_close(w);
}

void mcp_server_info_write(struct json_write *w, const char *name)
{
    json_write_open_object(w, name);
    json_write_string(w, "name", "penstock");
    json_write_string(w, "title", "Penstock");
    json_write_string(w, "version", PENSTOCK_VERSION);
    json_write_close(w);
}

static void open_answer(const struct mcp_message *message, struct json_write *w, struct buf *out)
{
    json_write_init(w, out);
    json_write_open_object(w, NULL);
    json_write_string(w, "jsonrpc", "2.0");
    json_write_raw_if(w, "id", message->id);
}

void mcp_result_open(const struct mcp_message *message, struct json_write *w, struct buf *out)
{
    open_answer(message, w, out);
    json_write_open_object(w, "result");
    if (message->era == MCP_MODERN)
        json_write_string(w, "resultType", "complete");
}

void mcp_result_close(const struct mcp_message *message, struct json_write *w)
{
    if (message->era == MCP_MODERN) {
        json_write_open_object(w, "_meta");
        mcp_server_info_write(w, MCP_SERVER_INFO_KEY);
        json_write_close(w);
    }
    json_write_close(w);
    json_write_close(w);
}

void mcp_error_write(const struct mcp_message *message, const struct mcp_failure *failure,
                     struct buf *out)
{
    struct json_write w;

    open_answer(message, &w, out);
    json_write_open_object(&w, "error");
    json_write_int(&w, "code", failure->code);
    json_write_string(&w, "message", failure->message);
    if (failure->code == MCP_UNSUPPORTED_VERSION) {
        json_write_open_object(&w, "data");
        mcp_revisions_write(&w, "supported");
        json_write_string(&w, "requested", failure->requested);
        json_write_close(&w);
    }
    json_write_close(&w);
    json_write_close(&w);
}
