/* Approvals: somebody allows a call of a run that waits, or denies it
 * (shared/store/answers/approvals.h).
 *
 * What is allowed is what was shown: the arguments of the call, or others in their place, which
 * must fit the tool as the model was told of it. Of several who decide the first wins. The same
 * said again, because a reply was lost, is answered with the run.
 *
 * Who holds an API key decides; a ticket is no key: it is given to whom the agent talks with.
 */

#include "shared/store/answers/approvals.h"
#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/assistants/run_look.h"
#include "scheduler/api/assistants/run_path.h"
#include "scheduler/api/request.h"
#include "shared/base/error.h"
#include "shared/schema/schema.h"

#define ARGUMENTS_BYTES_MAX ((size_t)256 << 10)
#define CALLS_SHOWN_BYTES   300

int check_approved_arguments(struct json_object *value, const struct path *path,
                             struct failure *failure)
{
    size_t bytes = json_text(value).len;
    int r = fields_check_numbers(value, path, failure);

    if (r < 0 || bytes <= ARGUMENTS_BYTES_MAX)
        return r;
    return failure_set(failure, 400, path, "string_above_max_length",
                       "Invalid 'arguments': as JSON they have %zu bytes. Expected at most %zu.",
                       bytes, ARGUMENTS_BYTES_MAX);
}

/* What was asked about the call; NULL: nothing (any more). Borrowed from `action`. */
static struct json_object *find_question(struct json_object *action, struct text call_id)
{
    struct json_object *calls = json_path(action, "submit_tool_outputs", "tool_calls", NULL);

    for (size_t i = 0;
         json_object_is_type(calls, json_type_array) && i < json_object_array_length(calls); i++) {
        struct json_object *call = json_object_array_get_idx(calls, i);

        if (text_equal(json_get_text(call, "id"), call_id))
            return json_get(call, "approval");
    }
    return NULL;
}

/* Arguments in place of the model's. A call about which nobody is asked any more is not looked at:
 * what became of it is told by who decides. */
static int check_arguments(struct request *request, const struct run_path *path,
                           struct json_object *arguments)
{
    CLEANUP(json_freep) struct json_object *action = NULL;
    struct json_object *schema;
    struct error err;
    struct run run;
    int r = run_look_read(request, path->thread, path->run, &run);

    if (r == RUN_MISSING)
        return request_missing(request, "run", path->run_text);
    if (r < 0)
        return r;
    if (!run.required_action.ptr ||
        json_decode(run.required_action, JSON_DEPTH_DEFAULT * 2, &action, &err) < 0)
        return 0;
    schema =
        json_get(find_question(action, json_get_text(request->body, "tool_call_id")), "parameters");
    if (!schema || schema_check(schema, arguments, &err) == 0)
        return 0;
    return failure_param(&request->failure, 400, "arguments", "invalid_value",
                         "Invalid 'arguments': they do not fit the tool: %s.", err.text);
}

/* A 409 that SDKs do not try again. */
static int refuse(struct request *request, int status, const char *code, const char *message)
{
    (void)failure_param(&request->failure, status, "tool_call_id", code, "%s", message);
    request->failure.retry = RETRY_NO;
    return -E_INVALID;
}

/* Of a run that waits, with the calls that it waits for. */
static int no_call(struct request *request, const struct run *run)
{
    CLEANUP(json_freep) struct json_object *action = NULL;
    CLEANUP(buf_deinit) struct buf ids = {0};
    struct json_object *calls;
    char said[64];
    struct error err;

    buf_init(&ids, 0);
    if (run->required_action.ptr &&
        json_decode(run->required_action, JSON_DEPTH_DEFAULT * 2, &action, &err) < 0)
        action = NULL;
    calls = json_path(action, "submit_tool_outputs", "tool_calls", NULL);
    for (size_t i = 0;
         json_object_is_type(calls, json_type_array) && i < json_object_array_length(calls); i++) {
        struct json_object *call = json_object_array_get_idx(calls, i);

        if (!json_get(call, "approval"))
            continue;
        if (ids.len > CALLS_SHOWN_BYTES) {
            buf_add_string(&ids, ", …");
            break;
        }
        buf_printf(&ids, "%s'%.*s'", ids.len > 0 ? ", " : "", TEXT_ARGS(json_get_text(call, "id")));
    }
    text_excerpt(json_get_text(request->body, "tool_call_id"), said, sizeof(said));
    return failure_param(&request->failure, 404, "tool_call_id", NULL,
                         "No tool call found with id '%s' in the run.%s%s%s", said,
                         ids.len > 0 ? " Those that wait for an approval are: " : "",
                         buf_string(&ids), ids.len > 0 ? "." : "");
}

static int explain(struct request *request, int verdict, const struct run *run)
{
    switch (verdict) {
    case APPROVAL_DECIDED:
        return refuse(request, 409, "approval_decided",
                      "This call was decided by another request. The run's steps show what was "
                      "decided, and by whom.");
    case APPROVAL_LATE:
        return refuse(request, 410, "approval_expired",
                      "The time to decide of this call is over: it was not made, and the model is "
                      "told so.");
    case APPROVAL_EARLY:
        (void)failure_param(&request->failure, 409, "tool_call_id", "approval_not_ready",
                            "The run does not wait yet: other calls of the same step are being "
                            "made. Try again.");
        request->failure.retry = RETRY_YES;
        return -E_INVALID;
    case APPROVAL_NO_CALL:
        return no_call(request, run);
    default:
        return failure_param(&request->failure, 400, "tool_call_id", "approval_not_wanted",
                             "This call waits for no approval. Its run is %s.",
                             run_status_name(run->status));
    }
}

static int check_ticket(struct request *request)
{
    if (!request->by_ticket && !request->by_model)
        return 0;
    return failure_param(&request->failure, 403, NULL, "approval_not_permitted",
                         "A ticket does not allow to decide of calls. Use an API key.");
}

static int decide(struct request *request, bool any_thread, bool allows)
{
    struct json_object *arguments = json_get(request->body, "arguments");
    const struct approval approval = {
        .by = request->key,
        .allows = allows,
        .user = json_get_text(request->body, "user"),
        .note = json_get_text(request->body, "note"),
        .arguments = arguments ? json_text(arguments) : TEXT_NONE,
    };
    struct run_path path;
    struct error err;
    struct run run;
    int r = run_path_read(request, any_thread, &path);

    if (r == 0)
        r = check_ticket(request);
    if (r == 0)
        r = run_make_room(request, path.thread, path.run);
    if (r == RUN_MISSING)
        return request_missing(request, "run", path.run_text);
    if (r == 0 && arguments)
        r = check_arguments(request, &path, arguments);
    if (r < 0)
        return r;
    r = approvals_decide(&request->store, path.thread, path.run,
                         json_get_text(request->body, "tool_call_id"), &approval, &run, &err);
    if (r == RUN_MISSING)
        return request_missing(request, "run", path.run_text);
    if (r < 0)
        return request_failed(request, &err);
    if (r > 0 && r != APPROVAL_GIVEN)
        return explain(request, r, &run);
    if (run.status == RUN_QUEUED && run.open_calls == 0)
        run_events_ready(&request->api->events, request->store.tenant, &run);
    render_run(&run, &request->reply);
    return 0;
}

static int run_approve(struct request *request)
{
    return decide(request, false, true);
}

static int run_deny(struct request *request)
{
    return decide(request, false, false);
}

static int run_approve_any(struct request *request)
{
    return decide(request, true, true);
}

static int run_deny_any(struct request *request)
{
    return decide(request, true, false);
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/runs/{run_id}/approve",
     .handle = run_approve,
     .takes = TAKES_JSON, .body = &body_approve},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/runs/{run_id}/deny",
     .handle = run_deny,
     .takes = TAKES_JSON, .body = &body_deny},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/runs/{run_id}/approve",
     .handle = run_approve_any,
     .takes = TAKES_JSON, .body = &body_approve},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/runs/{run_id}/deny",
     .handle = run_deny_any,
     .takes = TAKES_JSON, .body = &body_deny},
};
/* clang-format on */

const struct endpoint_table approval_endpoints = ENDPOINT_TABLE(table);
