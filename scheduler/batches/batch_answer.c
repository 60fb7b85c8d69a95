#include "scheduler/batches/batch_answer.h"

#include <string.h>

#include "scheduler/api/assistants/render.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/json/json_write.h"

/* A line up to its response. */
static void open_line(struct buf *out, struct uuid run, struct text custom_id)
{
    char id[ID_TEXT_SIZE];

    id_format(ID_RUN, run, id);
    buf_add_string(out, "{\"id\":\"batch_req_");
    buf_add_string(out, id + strlen(id_prefix(ID_RUN)));
    buf_add_string(out, "\",\"custom_id\":");
    buf_add_json(out, custom_id);
    buf_add_string(out, ",\"response\":");
}

static void close_line(struct buf *out)
{
    buf_add_string(out, ",\"error\":null}\n");
}

static void open_response(struct buf *out, struct uuid run, int status)
{
    char id[ID_TEXT_SIZE];

    id_format(ID_RUN, run, id);
    buf_printf(out, "{\"status_code\":%d,\"request_id\":\"%s\",\"body\":", status, id);
}

void batch_answer_response(struct buf *out, struct uuid run, struct text custom_id,
                           struct text response)
{
    open_line(out, run, custom_id);
    buf_add_text(out, response);
    close_line(out);
}

void batch_answer_failure(struct buf *out, struct uuid run, struct text custom_id,
                          const struct failure *failure)
{
    open_line(out, run, custom_id);
    open_response(out, run, failure->status);
    failure_render(failure, out);
    buf_add_char(out, '}');
    close_line(out);
}

void batch_answer_never(struct buf *out, struct uuid run, struct text custom_id, const char *code,
                        const char *message)
{
    open_line(out, run, custom_id);
    buf_add_string(out, "null,\"error\":{\"code\":");
    buf_add_json_string(out, code);
    buf_add_string(out, ",\"message\":");
    buf_add_json_string(out, message);
    buf_add_string(out, "}}\n");
}

/* ---- of agents ---- */

/* The texts of a message's content, one after the other. */
static void add_text_of(struct buf *out, struct text content)
{
    CLEANUP(json_freep) struct json_object *parts = NULL;
    CLEANUP(buf_deinit) struct buf joined;
    struct error err;

    buf_init(&joined, 0);
    if (content.ptr && json_decode(content, JSON_DEPTH_DEFAULT, &parts, &err) == 0 &&
        json_object_is_type(parts, json_type_array))
        for (size_t i = 0; i < json_object_array_length(parts); i++) {
            struct json_object *part = json_object_array_get_idx(parts, i);
            struct text text = json_get_text(json_get(part, "text"), "value");

            if (text.ptr)
                buf_add_text(&joined, text);
        }
    buf_add_json(out, buf_text(&joined));
}

static void add_run(struct buf *out, const struct batch_run *run)
{
    render_run(&run->run, out);
    if (out->failed || out->len == 0)
        return;
    out->len--; /* its last brace */
    buf_add_string(out, ",\"messages\":[");
    for (size_t i = 0; i < run->messages_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        render_message(&run->messages[i], out);
    }
    buf_add_string(out, "],\"output_text\":");
    add_text_of(out, run->messages_count > 0 ? run->messages[run->messages_count - 1].content
                                             : TEXT_NONE);
    buf_add_char(out, '}');
}

/* What went wrong, in the words of the run. */
static void failure_of(const struct run *run, struct failure *out)
{
    CLEANUP(json_freep) struct json_object *last = NULL;
    struct error err;
    struct text code = TEXT("");
    struct text message = TEXT("The run failed.");

    if (run->last_error.ptr && json_decode(run->last_error, JSON_DEPTH_DEFAULT, &last, &err) == 0) {
        code = json_get_text(last, "code");
        message = json_get_text(last, "message");
    }
    if (text_is(code, "rate_limit_exceeded"))
        failure_param(out, 429, NULL, "rate_limit_exceeded", "%.*s", TEXT_ARGS(message));
    else if (text_is(code, "invalid_prompt"))
        failure_param(out, 400, NULL, "invalid_prompt", "%.*s", TEXT_ARGS(message));
    else
        failure_param(out, 500, NULL, "server_error", "%.*s", TEXT_ARGS(message));
}

/* The error's object, up to a member for what it is the error of. */
static void open_failure(struct buf *out, struct uuid run, const struct failure *failure,
                         const char *member)
{
    open_response(out, run, failure->status);
    failure_render(failure, out);
    if (out->len > 0 && !out->failed)
        out->len--; /* its last brace */
    buf_printf(out, ",\"%s\":", member);
}

/* The error's object, with the run behind it. */
static void add_failure(struct buf *out, const struct batch_run *run)
{
    struct failure failure = {0};

    if (run->left_calls)
        failure_param(&failure, 400, NULL, "client_tool_in_batch",
                      "The run called a function of its client, and a batch has none who could "
                      "execute it.");
    else
        failure_of(&run->run, &failure);
    open_failure(out, run->run.id, &failure, "run");
    add_run(out, run);
    buf_add_char(out, '}');
}

bool batch_answer_run(struct buf *output, struct buf *errors, const struct batch_run *run,
                      struct text custom_id)
{
    enum run_status status = run->run.status;
    bool done = (status == RUN_COMPLETED || status == RUN_INCOMPLETE) && !run->left_calls;
    struct buf *out = done ? output : errors;

    open_line(out, run->run.id, custom_id);
    if (done) {
        open_response(out, run->run.id, 200);
        add_run(out, run);
    } else {
        add_failure(out, run);
    }
    buf_add_char(out, '}');
    close_line(out);
    return done;
}

/* What its client would be given is the response, whatever became of it. In a batch what failed
 * stands in the other file. */
bool batch_answer_shown(struct buf *output, struct buf *errors, const struct run *run,
                        struct text custom_id, struct text response)
{
    bool done = run->status == RUN_COMPLETED || run->status == RUN_INCOMPLETE;
    struct failure failure = {0};
    struct buf *out = done ? output : errors;

    open_line(out, run->id, custom_id);
    if (done) {
        open_response(out, run->id, 200);
    } else {
        failure_of(run, &failure);
        open_failure(out, run->id, &failure, "response");
    }
    buf_add_text(out, response);
    buf_add_string(out, done ? "}" : "}}");
    close_line(out);
    return done;
}
