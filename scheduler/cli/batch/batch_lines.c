/* Prompts as lines of a batch, and its answers. */

#include "scheduler/cli/batch/batch.h"
#include "scheduler/cli/runs/run_body.h"
#include "shared/json/json_write.h"

void batch_line_write(const struct batch_item *item, const char *agent_id,
                      struct json_object *variables, struct buf *out)
{
    CLEANUP(json_freep) struct json_object *body = run_submission(agent_id, item->prompt);

    if (item->metadata)
        json_object_object_add(body, "metadata", json_object_get(item->metadata));
    run_add_variables(body, item->variables);
    run_add_variables(body, variables);
    buf_add_string(out, "{\"custom_id\":");
    buf_add_json_string(out, item->custom_id);
    buf_add_string(out, ",\"method\":\"POST\",\"url\":\"" BATCH_ENDPOINT "\",\"body\":");
    json_encode(out, body);
    buf_add_string(out, "}\n");
}

/* A run of the output, or beside an error. */
static void read_run(struct json_object *run, struct batch_answer *out)
{
    struct json_object *error = json_get(run, "last_error");
    struct json_object *messages = json_get(run, "messages");
    struct text reason = json_get_text(json_get(run, "incomplete_details"), "reason");

    out->run_id = json_get_string(run, "id");
    out->thread_id = json_get_string(run, "thread_id");
    out->status = json_get_text(run, "status");
    if (json_object_is_type(messages, json_type_array) && json_object_array_length(messages) > 0)
        out->answer = json_get_text(run, "output_text");
    out->usage = json_get(run, "usage");
    out->cost_micros = json_get_int(run, "cost_micros", 0);
    if (error) {
        out->error_code = json_get_text(error, "code");
        out->error_message = json_get_text(error, "message");
    } else if (reason.ptr) {
        out->error_code = out->status;
        out->error_message = reason;
    }
}

static void read_error(struct json_object *error, struct batch_answer *out)
{
    out->error_code = json_get_text(error, "code");
    out->error_message = json_get_text(error, "message");
    if (!out->error_code.ptr)
        out->error_code = json_get_text(error, "type");
}

/* Never answered, and why: its run was cancelled with the batch, or it never had one. */
static void read_never(struct json_object *error, struct batch_answer *out)
{
    out->status = TEXT("unanswered");
    read_error(error, out);
}

void batch_answer_read(struct json_object *line, struct batch_answer *out)
{
    struct json_object *response = json_get(line, "response");
    struct json_object *body = json_get(response, "body");
    struct json_object *error = json_get(body, "error");
    struct json_object *run = json_get(body, "run");

    *out = (struct batch_answer){.status = TEXT("unanswered")};
    if (!line) {
        out->error_code = TEXT("no_answer");
        out->error_message = TEXT("The files of the batch have no answer to this line.");
    } else if (!response) {
        read_never(json_get(line, "error"), out);
    } else if (!error) {
        read_run(body, out);
    } else if (!run) {
        out->status = TEXT("rejected");
        read_error(error, out);
    } else {
        read_run(run, out);
        out->calls = text_is(json_get_text(error, "code"), "client_tool_in_batch");
        if (out->calls || !out->error_code.ptr)
            read_error(error, out);
    }
}
