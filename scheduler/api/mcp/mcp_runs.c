/* The fixed tools for runs, and what a legacy client gives up.
 *
 * All change a run by the API's own endpoints. `notifications/cancelled` names a request of its
 * client, so the runs of such clients have a label of session and request: whichever scheduler
 * hears of it finds the run. One that overtakes its request finds nothing. */

#include <stdio.h>

#include "scheduler/api/mcp/mcp.h"
#include "shared/base/digest.h"
#include "shared/store/runs/runs.h"

int mcp_cancel_run(struct mcp *mcp, struct uuid run)
{
    CLEANUP(json_freep) struct json_object *reply = NULL;
    char id[ID_TEXT_SIZE];
    char path[96];
    struct inner_request inner = {.body = TEXT("")};

    id_format(ID_RUN, run, id);
    (void)snprintf(path, sizeof(path), "/v1/runs/%s/cancel", id);
    inner.path = text_of(path);
    return mcp_ask(mcp, &inner, &reply);
}

/* ---- what a legacy client gives up ---- */

/* A session and an id in it, which nobody else can guess. */
void mcp_request_label(const struct mcp *mcp, struct text id, char out[MCP_REQUEST_SIZE])
{
    char hex[SHA256_TEXT_SIZE];
    struct buf all;

    buf_init(&all, 0);
    buf_add_text(&all, mcp->session);
    buf_add_char(&all, '\n');
    buf_add_text(&all, id);
    sha256_hex(buf_text(&all), hex);
    buf_deinit(&all);
    (void)snprintf(out, MCP_REQUEST_SIZE, "%.32s", hex);
}

static int find_labelled(struct mcp *mcp, const char *label, struct uuid *out)
{
    struct run_filter filter = {
        .statuses = 1U << RUN_QUEUED | 1U << RUN_IN_PROGRESS | 1U << RUN_REQUIRES_ACTION,
    };
    const struct page page = {.limit = 1};
    char json[64];
    struct run_list runs;
    struct error err;
    int r;

    (void)snprintf(json, sizeof(json), "{\"" MCP_REQUEST_LABEL "\":\"%s\"}", label);
    filter.metadata = text_of(json);
    r = runs_list_all(&mcp->request->store, &filter, &page, &runs, &err);
    if (r < 0)
        return request_failed(mcp->request, &err);
    if (runs.count == 0)
        return RUN_MISSING;
    *out = runs.items[0].id;
    return 0;
}

/* Whatever comes of it, nobody is told: what is not found has ended, or was never begun. */
void mcp_cancelled(struct mcp *mcp)
{
    char label[MCP_REQUEST_SIZE];
    struct text id;
    struct uuid run;

    if (!mcp->session.ptr || !mcp_token_read(json_get(mcp->message.params, "requestId"),
                                             &mcp->request->exchange->arena, &id))
        return;
    mcp_request_label(mcp, id, label);
    if (find_labelled(mcp, label, &run) == 0)
        IGNORE(mcp_cancel_run(mcp, run)); /* as said */
}

/* ---- what a client asks of a run ---- */

static int no_run(struct mcp *mcp, struct json_object *arguments)
{
    IGNORE(request_missing(mcp->request, "run", json_get_text(arguments, "run_id")));
    return mcp_refuse(mcp, &mcp->request->failure);
}

int mcp_run_get(struct mcp *mcp, struct json_object *arguments)
{
    struct mcp_wait wait = {.wait_s = json_get_int(arguments, "wait_s", 0)};

    if (!id_parse(ID_RUN, json_get_text(arguments, "run_id"), &wait.run))
        return no_run(mcp, arguments);
    return mcp_await(mcp, &wait);
}

int mcp_run_cancel(struct mcp *mcp, struct json_object *arguments)
{
    struct mcp_wait wait = {.wait_s = 0};

    if (!id_parse(ID_RUN, json_get_text(arguments, "run_id"), &wait.run))
        return no_run(mcp, arguments);
    if (mcp_cancel_run(mcp, wait.run) < 0)
        return mcp_refuse(mcp, &mcp->request->failure);
    return mcp_await(mcp, &wait);
}

/* The path of its endpoint has the thread, which the client need not know. */
static int write_outputs_path(struct mcp *mcp, struct uuid run_id, char *out, size_t size)
{
    static const struct uuid any_thread = {{0}};
    char thread[ID_TEXT_SIZE];
    char id[ID_TEXT_SIZE];
    struct run run;
    struct error err;
    int r = runs_get(&mcp->request->store, any_thread, run_id, &run, &err);

    id_format(ID_RUN, run_id, id);
    if (r == RUN_MISSING)
        return request_missing(mcp->request, "run", text_of(id));
    if (r < 0)
        return request_failed(mcp->request, &err);
    id_format(ID_THREAD, run.thread_id, thread);
    (void)snprintf(out, size, "/v1/threads/%s/runs/%s/submit_tool_outputs", thread, id);
    return 0;
}

static int give_outputs(struct mcp *mcp, struct uuid run, struct json_object *arguments)
{
    CLEANUP(json_freep) struct json_object *reply = NULL;
    CLEANUP(buf_deinit) struct buf body = {0};
    char path[160];
    struct inner_request inner = {.path = {path, 0}, .trace = mcp_trace(mcp)};
    int r = write_outputs_path(mcp, run, path, sizeof(path));

    if (r < 0)
        return r;
    inner.path.len = strlen(path);
    buf_init(&body, 0);
    buf_add_string(&body, "{\"tool_outputs\":");
    buf_add_text(&body, json_text(json_get(arguments, "tool_outputs")));
    buf_add_char(&body, '}');
    inner.body = buf_text(&body);
    return mcp_ask(mcp, &inner, &reply);
}

int mcp_run_submit_outputs(struct mcp *mcp, struct json_object *arguments)
{
    struct mcp_wait wait = {.wait_s = json_get_int(arguments, "wait_s", MCP_WAIT_S)};

    if (!id_parse(ID_RUN, json_get_text(arguments, "run_id"), &wait.run))
        return no_run(mcp, arguments);
    if (give_outputs(mcp, wait.run, arguments) < 0)
        return mcp_refuse(mcp, &mcp->request->failure);
    return mcp_await(mcp, &wait);
}
