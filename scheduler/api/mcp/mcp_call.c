/* tools/call: an agent or one of the fixed tools, with arguments that a table describes.
 *
 * What is wrong with arguments, or with what they name, is the result of the call (isError): the
 * model that made it may do better. An unknown tool, and what the server could not do, are errors
 * of the protocol. */

#include <stdio.h>

#include "scheduler/api/assistants/run_look.h"
#include "scheduler/api/mcp/mcp.h"
#include "shared/agent/checks.h"

#define ONCE_KEY  "penstock/idempotency-key"
#define TRACE_KEY "traceparent"

/* ---- what is asked for elsewhere ---- */

void mcp_write_refusal(const struct mcp_message *message, const char *text, struct buf *out)
{
    struct json_write w;

    mcp_result_open(message, &w, out);
    json_write_open_array(&w, "content");
    json_write_open_object(&w, NULL);
    json_write_string(&w, "type", "text");
    json_write_string(&w, "text", text);
    json_write_close(&w);
    json_write_close(&w);
    json_write_bool(&w, "isError", true);
    mcp_result_close(message, &w);
}

int mcp_refuse(struct mcp *mcp, const struct failure *failure)
{
    struct request *request = mcp->request;

    if (failure->status < STATUS_CLIENT_GONE) {
        buf_reset(&request->reply);
        mcp_write_refusal(&mcp->message, failure->message, &request->reply);
        return 0;
    }
    if (failure != &request->failure)
        request->failure = *failure; /* for the log, and the headers of a retry */
    return mcp_fail(&mcp->failure, failure->status, MCP_INTERNAL_ERROR, "%s", failure->message);
}

/* While another request works for this one, that has the room, and this one has none: not until
 * mcp_await takes some. */
int mcp_ask(struct mcp *mcp, const struct inner_request *inner, struct json_object **reply)
{
    struct request *request = mcp->request;
    struct failure failure;
    int r;

    request_rest(request);
    r = request_inner(request, inner, reply, &failure);
    if (r < 0)
        request->failure = failure;
    return r;
}

/* ---- agents ---- */

/* What a client says once and for all tries of a call. */
static struct text once_of(const struct mcp *mcp)
{
    struct text key = json_get_text(mcp->message.meta, ONCE_KEY);

    return key.ptr ? key : text_trim(http_header_get(mcp->request->exchange, "idempotency-key"));
}

struct text mcp_trace(const struct mcp *mcp)
{
    struct text trace = json_get_text(mcp->message.meta, TRACE_KEY);

    return trace.ptr ? trace : http_header_get(mcp->request->exchange, "traceparent");
}

static void write_run_request(const struct mcp *mcp, struct json_object *arguments, bool labelled,
                              struct buf *out)
{
    char label[MCP_REQUEST_SIZE];
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_text(&w, "input", json_get_text(arguments, "input"));
    json_write_text_if(&w, "thread_id", json_get_text(arguments, "thread_id"));
    json_write_text_if(&w, "user", json_get_text(arguments, "user"));
    if (labelled && mcp->session.ptr) {
        mcp_request_label(mcp, mcp->message.id, label);
        json_write_open_object(&w, "metadata");
        json_write_string(&w, MCP_REQUEST_LABEL, label);
        json_write_close(&w);
    }
    json_write_close(&w);
}

/* The run that an endpoint has made, or let go on. */
static int read_run(struct mcp *mcp, struct json_object *reply, struct uuid *out)
{
    struct failure *failure = &mcp->request->failure;

    if (id_parse(ID_RUN, json_get_text(reply, "id"), out))
        return 0;
    return failure_param(failure, 500, NULL, NULL, "The run that was made could not be read.");
}

/* The label is another one with each try of a call, and makes it no other call. */
static int make_run(struct mcp *mcp, struct text slug, struct json_object *arguments,
                    struct uuid *out)
{
    CLEANUP(json_freep) struct json_object *reply = NULL;
    CLEANUP(buf_deinit) struct buf body = {0};
    CLEANUP(buf_deinit) struct buf bare = {0};
    char path[SLUG_MAX + 32];
    struct inner_request inner = {.once = once_of(mcp), .trace = mcp_trace(mcp)};
    int r;

    buf_init(&body, 0);
    buf_init(&bare, 0);
    write_run_request(mcp, arguments, true, &body);
    write_run_request(mcp, arguments, false, &bare);
    (void)snprintf(path, sizeof(path), "/v1/assistants/%.*s/run", TEXT_ARGS(slug));
    inner.path = text_of(path);
    inner.body = buf_text(&body);
    inner.stands_for = buf_text(&bare);
    r = mcp_ask(mcp, &inner, &reply);
    return r == 0 ? read_run(mcp, reply, out) : r;
}

static int unknown_tool(struct mcp *mcp, struct text name)
{
    char shown[80];

    text_excerpt(name, shown, sizeof(shown));
    return mcp_fail(&mcp->failure, 200, MCP_INVALID_PARAMS,
                    "Invalid params: Unknown tool: '%s'. tools/list says which there are.", shown);
}

/* 0: it is there. */
static int find_agent(struct mcp *mcp, struct text slug)
{
    struct request *request = mcp->request;
    struct uuid agent;
    struct error err;
    int r = slug_fits(slug)
                ? submitter_find_agent(request->api->submitter, &request->store, slug, &agent, &err)
                : AGENT_MISSING;

    if (r == AGENT_MISSING)
        return unknown_tool(mcp, slug);
    if (r == 0)
        return 0;
    r = request_failed(request, &err);
    return mcp_fail(&mcp->failure, request->failure.status, MCP_INTERNAL_ERROR, "%s",
                    request->failure.message);
}

/* A modern client that closes its response gives the call up, unless it named it by a key: then it
 * will ask again. A legacy one says so by a notification. */
static int call_agent(struct mcp *mcp, struct text slug, struct json_object *arguments)
{
    struct mcp_wait wait = {
        .wait_s = json_get_int(arguments, "wait_s", MCP_WAIT_S),
        .cancels = mcp->message.era == MCP_MODERN && !once_of(mcp).ptr,
    };
    int r = make_run(mcp, slug, arguments, &wait.run);

    return r < 0 ? mcp_refuse(mcp, &mcp->request->failure) : mcp_await(mcp, &wait);
}

/* ---- a call ---- */

static const struct mcp_tool *find_tool(struct text name)
{
    for (size_t i = 0; i < mcp_tools_count; i++)
        if (text_is(name, mcp_tools[i].name))
            return &mcp_tools[i];
    return NULL;
}

static int check_arguments(struct mcp *mcp, const struct mcp_tool *tool, struct json_object *said)
{
    struct failure *failure = &mcp->request->failure;

    if (json_type_of(said) != json_type_object)
        return mcp_fail(&mcp->failure, 200, MCP_INVALID_PARAMS,
                        "Invalid params: 'arguments' must be an object.");
    return fields_check(*tool->arguments, said, NULL, failure);
}

int mcp_tools_call(struct mcp *mcp)
{
    struct json_object *params = mcp->message.params;
    struct text name = json_get_text(params, "name");
    const struct mcp_tool *tool = find_tool(name);
    struct json_object *arguments = json_get(params, "arguments");
    struct json_object *none = NULL;
    int r;

    if (!name.ptr)
        return mcp_fail(&mcp->failure, 200, MCP_INVALID_PARAMS,
                        "Invalid params: 'name' must be a string.");
    r = tool ? 0 : find_agent(mcp, name);
    if (r < 0)
        return r;
    if (!arguments)
        arguments = none = json_object_new_object();
    r = check_arguments(mcp, tool ? tool : &mcp_agent_tool, arguments);
    if (r < 0 && mcp->failure.status == 0)
        r = mcp_refuse(mcp, &mcp->request->failure);
    else if (r == 0)
        r = tool ? tool->call(mcp, arguments) : call_agent(mcp, name, arguments);
    json_free(none);
    return r;
}
