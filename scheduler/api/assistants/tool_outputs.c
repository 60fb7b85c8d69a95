/* Tool outputs: the client gives what its functions returned, and the run goes on.
 *
 * All pending calls are answered in one request, as OpenAI has it, but for those that need an
 * approval, which may be left out. These look like functions to stock clients, and a program that
 * answers whatever it is asked must not allow a call by that: so an output allows or denies one
 * only where it is the object {"approve": true or false, "note"}, word for word. Anything else for
 * such a call is refused, and with it the whole request. A client that sends a request again
 * because the reply was lost gets the run again.
 */

#include <stdio.h>
#include <string.h>

#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/assistants/run_look.h"
#include "scheduler/api/request.h"
#include "scheduler/api/stream/run_stream.h"
#include "shared/store/answers/tool_outputs.h"

#define OUTPUT_BYTES_MAX   ((size_t)256 << 10)
#define IDS_SHOWN_BYTES    256
#define DECISION_BYTES_MAX ((size_t)16 << 10) /* with a note of APPROVAL_NOTE_MAX, escaped */

static int check_output(struct json_object *value, const struct path *path, struct failure *failure)
{
    size_t bytes = json_string(value).len;
    char where[192];

    if (bytes <= OUTPUT_BYTES_MAX)
        return 0;
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "string_above_max_length",
                       "Invalid '%s': string too long. Expected at most %zu bytes, but got %zu.",
                       where, OUTPUT_BYTES_MAX, bytes);
}

static int check_item(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field list[] = {
        {.name = "tool_call_id",
         .kind = FIELD_STRING,
         .flags = FIELD_REQUIRED,
         .min = 1,
         .max = 1024},
        {.name = "output", .kind = FIELD_STRING, .flags = FIELD_NULLABLE, .check = check_output},
    };
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    return r < 0 ? r : fields_check(FIELDS(list), value, path, failure);
}

int check_tool_outputs(struct json_object *value, const struct path *path, struct failure *failure)
{
    size_t count = json_object_array_length(value);
    int r = fields_each(value, path, check_item, failure);

    if (r < 0)
        return r;
    for (size_t i = 1; i < count; i++) {
        struct text id = json_get_text(json_object_array_get_idx(value, i), "tool_call_id");
        struct path item = {path, NULL, i};

        for (size_t k = 0; k < i; k++)
            if (text_equal(id, json_get_text(json_object_array_get_idx(value, k), "tool_call_id")))
                return failure_set(failure, 400, &item, "duplicate_value",
                                   "Duplicate tool output: each call is answered once.");
    }
    return 0;
}

/* "['call_a', 'call_b']", the end of a long list left out. */
static void show_ids(struct json_object *list, const char *member, char out[IDS_SHOWN_BYTES])
{
    size_t count = list ? json_object_array_length(list) : 0;
    size_t at = 1;

    out[0] = '[';
    for (size_t i = 0; i < count; i++) {
        char id[64];

        text_excerpt(json_get_text(json_object_array_get_idx(list, i), member), id, sizeof(id));
        if (at + strlen(id) + 12 > IDS_SHOWN_BYTES) {
            at += (size_t)snprintf(out + at, IDS_SHOWN_BYTES - at, ", …");
            break;
        }
        at += (size_t)snprintf(out + at, IDS_SHOWN_BYTES - at, "%s'%s'", i ? ", " : "", id);
    }
    (void)snprintf(out + at, IDS_SHOWN_BYTES - at, "]");
}

#define APPROVAL_WORDS                                                                             \
    "The output of approve_tool_call is {\"approve\": true} or {\"approve\": false, \"note\": "    \
    "\"…\"}, from who has an API key, and may be left out."

/* Whether all that is answered is asked: then it is not the ids that are wrong. */
static bool asks_all(struct json_object *action, struct json_object *outputs)
{
    struct json_object *calls = json_path(action, "submit_tool_outputs", "tool_calls", NULL);
    size_t asked =
        json_object_is_type(calls, json_type_array) ? json_object_array_length(calls) : 0;

    for (size_t i = 0; i < json_object_array_length(outputs); i++) {
        struct text id = json_get_text(json_object_array_get_idx(outputs, i), "tool_call_id");
        size_t k = 0;

        while (k < asked &&
               !text_equal(json_get_text(json_object_array_get_idx(calls, k), "id"), id))
            k++;
        if (k == asked)
            return false;
    }
    return true;
}

static bool asks_approval(struct json_object *action)
{
    struct json_object *calls = json_path(action, "submit_tool_outputs", "tool_calls", NULL);

    for (size_t i = 0;
         json_object_is_type(calls, json_type_array) && i < json_object_array_length(calls); i++)
        if (json_get(json_object_array_get_idx(calls, i), "approval"))
            return true;
    return false;
}

static int refuse_unfit(struct request *request, const struct run *run)
{
    CLEANUP(json_freep) struct json_object *action = NULL;
    char expected[IDS_SHOWN_BYTES];
    char got[IDS_SHOWN_BYTES];
    struct error err;
    bool approvals;
    bool first;

    if (!run->required_action.ptr ||
        json_decode(run->required_action, JSON_DEPTH_DEFAULT, &action, &err) < 0)
        action = NULL;
    approvals = asks_approval(action);
    first = approvals && asks_all(action, json_get(request->body, "tool_outputs"));
    show_ids(json_path(action, "submit_tool_outputs", "tool_calls", NULL), "id", expected);
    show_ids(json_get(request->body, "tool_outputs"), "tool_call_id", got);
    return failure_param(&request->failure, 400, "tool_outputs", NULL,
                         "%sExpected tool outputs for call_ids %s, got %s. All calls that the run "
                         "waits for are answered in one request.%s",
                         first ? APPROVAL_WORDS " " : "", expected, got,
                         approvals && !first ? " " APPROVAL_WORDS : "");
}

/* An output that is a decision, in the arena; NULL: it is none. Other arguments can't be given
 * here: nobody has checked them. */
static const struct approval *read_decision(struct request *request, struct text output)
{
    struct arena *arena = &request->exchange->arena;
    CLEANUP(json_freep) struct json_object *said = NULL;
    struct json_object *note;
    struct approval *approval;
    struct text text;

    if (output.len > DECISION_BYTES_MAX || !text_starts(text_trim(output), "{") ||
        request->by_ticket || request->by_model ||
        json_decode(output, JSON_DEPTH_DEFAULT, &said, NULL) < 0 ||
        !json_object_is_type(json_get(said, "approve"), json_type_boolean))
        return NULL;
    note = json_get(said, "note");
    text = json_string(note);
    if ((note && !text.ptr) || text_characters(text) > APPROVAL_NOTE_MAX ||
        json_object_object_length(said) != 1 + json_has(said, "note"))
        return NULL;
    approval = arena_calloc(arena, 1, sizeof(*approval));
    if (!approval)
        return NULL;
    approval->by = request->key;
    approval->allows = json_object_get_boolean(json_get(said, "approve"));
    if (text.ptr)
        approval->note = (struct text){arena_copy(arena, text), text.len};
    return text.ptr && !approval->note.ptr ? NULL : approval;
}

static int give(struct request *request, struct uuid thread, struct uuid run, struct run *out)
{
    struct json_object *list = json_get(request->body, "tool_outputs");
    size_t count = json_object_array_length(list);
    struct tool_output *outputs =
        arena_calloc(&request->exchange->arena, count + 1, sizeof(*outputs));
    struct error err;
    int r;

    if (!outputs) {
        IGNORE(error_set(&err, E_LIMIT, "the outputs are too large"));
        return request_failed(request, &err);
    }
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        struct text output = json_get_text(item, "output");

        outputs[i].call_id = json_get_text(item, "tool_call_id");
        outputs[i].output = output.ptr ? output : TEXT("");
        outputs[i].approval = read_decision(request, output);
    }
    r = tool_outputs_give(&request->store, thread, run, outputs, count, out, &err);
    if (r == RUN_MISSING)
        return request_missing(request, "run", request->exchange->params[1]);
    if (r == OUTPUTS_UNFIT)
        return refuse_unfit(request, out);
    if (r == OUTPUTS_UNWANTED)
        return failure_param(&request->failure, 400, NULL, NULL,
                             "Runs in status '%s' do not accept tool outputs.",
                             run_status_name(out->status));
    return r < 0 ? request_failed(request, &err) : 0;
}

/* A stream goes on behind the calls, as they are before they are answered. */
static int know_calls(struct request *request, struct uuid run)
{
    struct json_object *outputs = json_get(request->body, "tool_outputs");
    struct json_object *first = json_object_array_get_idx(outputs, 0);
    int r = run_stream_expect(request, run);

    if (r < 0 || !request_streams(request))
        return r;
    return run_stream_behind_calls(request, run, json_get_text(first, "tool_call_id"));
}

static int run_submit_outputs(struct request *request)
{
    struct uuid thread;
    struct uuid id;
    struct run run;
    int r = request_id(request, 0, ID_THREAD, "thread", &thread);

    if (r == 0)
        r = request_id(request, 1, ID_RUN, "run", &id);
    if (r == 0)
        r = run_make_room(request, thread, id);
    if (r == RUN_MISSING)
        return request_missing(request, "run", request->exchange->params[1]);
    if (r == 0)
        r = know_calls(request, id);
    if (r == 0)
        r = give(request, thread, id, &run);
    if (r < 0)
        return r;
    if (run.status == RUN_QUEUED && run.open_calls == 0)
        run_events_ready(&request->api->events, request->store.tenant, &run);
    render_run(&run, &request->reply);
    return 0;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/runs/{run_id}/submit_tool_outputs",
     .handle = run_submit_outputs, .stream = run_stream, .query = stream_query,
     .takes = TAKES_JSON, .body = &body_submit_outputs},
};
/* clang-format on */

const struct endpoint_table tool_output_endpoints = ENDPOINT_TABLE(table);
