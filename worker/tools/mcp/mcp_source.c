/* The tools of servers. They are found when the run begins (mcp_offer.c); here they are called.
 *
 * A call is made once, unless the agent says that more does no harm, or trusts what the server says
 * of itself: the protocol has no key by which a server could know that a call was made before.
 */

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"
#include "shared/mcp/mcp_result.h"
#include "shared/schema/schema.h"
#include "shared/secrets/redactor.h"
#include "shared/trace/trace_context.h"
#include "worker/tools/mcp/mcp_internal.h"
#include "worker/tools/mcp/mcp_offer.h"

#define RESULT_BYTES ((size_t)8 << 20) /* before it is cut */

static int find(const struct tool_member *member, struct arena *arena, struct tool *tool,
                struct chat_tool *shown, struct error *err)
{
    (void)arena;
    (void)tool;
    (void)shown;
    (void)err;
    return mcp_is_member(member->item) ? TOOL_LATER : TOOL_NOT_HERE;
}

static enum call_class classify(const struct tool *tool, struct text arguments)
{
    const struct mcp_offered *own = tool->own;

    (void)arguments;
    return own->class;
}

static void describe(const struct tool *tool, struct text arguments, struct buf *out)
{
    const struct mcp_offered *own = tool->own;

    (void)arguments;
    buf_printf(out, "%.*s of the server %.*s", TEXT_ARGS(own->tool), TEXT_ARGS(own->label));
}

/* A call while it is made. */
struct making {
    const struct tool_call *call;
    const struct mcp_offered *own;
    struct json_object *item;
    struct json_object *arguments;
    struct json_object *headers;
    struct mcp_member member;
    struct mcp_reach reach;
};

static int read_arguments(struct making *making, struct error *err)
{
    CLEANUP(json_freep) struct json_object *schema = NULL;
    struct text said = text_trim(making->call->arguments);
    int r =
        json_decode(said.len > 0 ? said : TEXT("{}"), JSON_DEPTH_DEFAULT, &making->arguments, err);

    if (r < 0)
        return error_wrap(err, "the arguments");
    if (!json_object_is_type(making->arguments, json_type_object))
        return error_set(err, E_INVALID, "the arguments must be a JSON object");
    r = json_decode(making->own->parameters, JSON_DEPTH_DEFAULT, &schema, err);
    if (r < 0)
        return error_wrap(err, "the schema of the tool");
    r = schema_check(schema, making->arguments, err);
    return r < 0 ? error_wrap(err, "the arguments do not fit") : 0;
}

static int read_all(struct making *making, struct error *err)
{
    int r = json_decode(making->own->member, JSON_DEPTH_DEFAULT, &making->item, err);

    if (r < 0)
        return error_wrap(err, "the server of the tool");
    mcp_member_read(making->item, &making->member);
    if (making->own->headers.len > 0)
        r = json_decode(making->own->headers, 4, &making->headers, err);
    return r < 0 ? r : read_arguments(making, err);
}

/* The answer without secrets, as the model is told. */
static void write_result(struct making *making, struct json_object *result, struct buf *out,
                         struct tool_outcome *outcome)
{
    CLEANUP(buf_deinit) struct buf text = {0};
    const struct mcp_result_options options = {
        .max_bytes = making->member.max_result_bytes,
        .label = making->member.trusted ? TEXT_NONE : making->own->label,
    };
    struct mcp_result_told told;

    buf_init(&text, RESULT_BYTES);
    mcp_result_write(result, &options, &text, &told);
    redactor_write(making->reach.redactor, buf_text(&text), told.is_cut, out);
    if (told.is_error)
        outcome->end = TOOL_ERROR;
}

static int write_answer(struct making *making, const struct mcp_incoming *answer, struct buf *out,
                        struct tool_outcome *outcome, struct error *err)
{
    struct text type = json_get_text(answer->result, "resultType");
    CLEANUP(buf_deinit) struct buf said = {0};

    buf_init(&said, 0);
    if (answer->is_error) {
        buf_printf(&said, "Error: the server refused the call: %.1000s",
                   answer->said.len > 0
                       ? json_get_string(json_get(answer->root, "error"), "message")
                       : "it does not say why");
        redactor_write(making->reach.redactor, buf_text(&said), false, out);
        outcome->end = TOOL_ERROR;
        return 0;
    }
    if (text_is(type, "input_required"))
        return error_set(err, E_DENIED,
                         "the tool asks somebody for input, and nobody is there to give it");
    if (type.ptr && !text_is(type, "complete"))
        return error_set(err, E_PROTOCOL, "the server answered with something that is no result");
    write_result(making, answer->result, out, outcome);
    return 0;
}

/* Of a call that may be made once only, what failed behind its sending is not known. */
static int tell_doubt(const struct making *making, const struct mcp_asking *asking, int r,
                      struct error *err)
{
    const struct error failed = *err; /* what is formatted must not be what is written */

    if (r == -E_CANCELED || !asking->sent || making->own->class != CALL_ONCE)
        return r;
    return error_set(err, failed.code,
                     "%.140s; whether the call took effect is not known, find out before you make "
                     "it again",
                     failed.text);
}

static int ask(struct making *making, struct mcp_server *server, struct buf *out,
               struct tool_outcome *outcome, struct error *err)
{
    const struct tool_call *call = making->call;
    char traceparent[TRACEPARENT_SIZE];
    CLEANUP(buf_deinit) struct buf members = {0};
    struct mcp_asking asking = {
        .server = server,
        .reach = &making->reach,
        .scope = mcp_scope(&making->member, &call->place),
        .method = "tools/call",
        .name = making->own->tool,
        .headers = making->headers,
        .arguments = making->arguments,
        .progress = true,
        .may_repeat = making->own->class != CALL_ONCE,
        .idle_ms = making->member.timeout_ms,
        .deadline_ms = deadline_min(call->deadline_ms, deadline_in(MCP_CALL_MAX_MS)),
    };
    int r;

    buf_init(&members, (size_t)2 << 20);
    buf_add_string(&members, "\"name\":");
    buf_add_json(&members, making->own->tool);
    buf_add_string(&members, ",\"arguments\":");
    json_encode(&members, making->arguments);
    r = buf_check(&members, err);
    if (r < 0)
        return r;
    asking.members = buf_text(&members);
    if (call->trace) {
        traceparent_format(call->trace, traceparent);
        asking.traceparent = traceparent;
    }
    server->mcp->stats.calls++;
    r = mcp_ask(&asking, err);
    if (r < 0)
        mcp_reach_redact(&making->reach, err); /* before it is cut */
    if (r < 0)
        return tell_doubt(making, &asking, r, err);
    r = write_answer(making, &asking.answer, out, outcome, err);
    mcp_incoming_deinit(&asking.answer);
    return r;
}

static int call_server(struct making *making, struct buf *out, struct tool_outcome *outcome,
                       struct error *err)
{
    const struct tool_call *call = making->call;
    struct text secrets[MCP_SECRETS_MAX + 1];
    size_t count = mcp_member_secrets(making->item, secrets);
    uint8_t key[SHA256_BYTES];
    struct mcp_server *server;
    int r = mcp_reach_open(call->services, call->permissions->tenant, &making->member, secrets,
                           count < MCP_SECRETS_MAX ? count : MCP_SECRETS_MAX, &making->reach, err);

    if (r == 0) {
        mcp_reach_key(&making->reach, call->permissions->tenant, making->own->label, key);
        server = mcp_server_enter(call->services->mcp, key);
        r = ask(making, server, out, outcome, err);
        mcp_server_leave(server);
    }
    mcp_reach_close(&making->reach);
    return r;
}

static int call(const struct tool_call *call, struct buf *out, struct tool_outcome *outcome,
                struct error *err)
{
    struct making making = {.call = call, .own = call->tool->own};
    int r = read_all(&making, err);

    *outcome = (struct tool_outcome){.end = TOOL_DONE};
    if (r == 0)
        r = call_server(&making, out, outcome, err);
    json_free(making.arguments);
    json_free(making.headers);
    json_free(making.item);
    return r;
}

const struct tool_source tool_source_mcp = {
    .name = "mcp",
    .class_is_fixed = true,
    .waits = true,
    .find = find,
    .classify = classify,
    .describe = describe,
    .call = call,
};
