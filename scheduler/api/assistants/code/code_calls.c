/* From what a worker stored (worker/tools/sandbox/interpreter_result.h) to logs and images. What is
 * no result of a program, such as the sentence that there is no sandbox, is a log, too. */

#include "scheduler/api/assistants/code/code_calls.h"

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/json/json_write.h"
#include "shared/store/tools/call_report.h"

static void write_logs(struct json_write *w, struct text logs)
{
    json_write_open_object(w, NULL);
    json_write_string(w, "type", "logs");
    json_write_text(w, "logs", logs);
    json_write_close(w);
}

static void add_part(struct buf *logs, struct text part)
{
    if (part.len > 0 && logs->len > 0 && logs->ptr[logs->len - 1] != '\n')
        buf_add_char(logs, '\n');
    buf_add_text(logs, part);
}

static void write_images(struct json_write *w, struct json_object *files)
{
    size_t count =
        json_object_is_type(files, json_type_array) ? json_object_array_length(files) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *file = json_object_array_get_idx(files, i);

        if (!json_get(file, "image"))
            continue;
        json_write_open_object(w, NULL);
        json_write_string(w, "type", "image");
        json_write_open_object(w, "image");
        json_write_text(w, "file_id", json_get_text(file, "file_id"));
        json_write_close(w);
        json_write_close(w);
    }
}

/* Files that are no images have no place in OpenAI's outputs: they stand in a member of ours. */
static void write_outputs(struct json_write *w, struct text output, struct text *out_files,
                          struct json_object **result)
{
    CLEANUP(buf_deinit) struct buf logs;
    struct json_object *files;

    buf_init(&logs, 0);
    json_write_open_array(w, "outputs");
    if (output.ptr && json_decode(output, JSON_DEPTH_DEFAULT, result, NULL) < 0)
        *result = NULL;
    files = json_get(*result, "files");
    if (*result) {
        add_part(&logs, json_get_text(*result, "stdout"));
        add_part(&logs, json_get_text(*result, "stderr"));
        add_part(&logs, json_get_text(*result, "note"));
    } else {
        add_part(&logs, output);
    }
    if (logs.len > 0)
        write_logs(w, buf_text(&logs));
    write_images(w, files);
    json_write_close(w);
    *out_files = files ? json_text(files) : TEXT_NONE;
}

static void write_call(struct json_write *w, struct json_object *call)
{
    struct json_object *function = json_get(call, "function");
    CLEANUP(json_freep) struct json_object *arguments = NULL;
    CLEANUP(json_freep) struct json_object *result = NULL;
    struct text status = json_get_text(call, "status");
    struct text input = json_get_text(function, "arguments");
    struct text files;

    if (json_decode(input, JSON_DEPTH_DEFAULT, &arguments, NULL) == 0 &&
        json_get_text(arguments, "code").ptr)
        input = json_get_text(arguments, "code");
    json_write_open_object(w, NULL);
    json_write_text(w, "id", json_get_text(call, "id"));
    json_write_string(w, "type", "code_interpreter");
    json_write_open_object(w, "code_interpreter");
    json_write_text(w, "input", input);
    write_outputs(w, json_get_text(function, "output"), &files, &result);
    if (files.ptr)
        json_write_raw(w, "files", files);
    json_write_close(w);
    if (status.ptr)
        json_write_text(w, "status", status);
    if (json_get(call, "approval"))
        json_write_raw(w, "approval", json_text(json_get(call, "approval")));
    call_report_copy(call, w);
    json_write_close(w);
}

static bool is_of_code(struct json_object *call)
{
    return text_is(json_get_text(call, "type"), "code_interpreter");
}

/* Few runs have one: the others are not read. */
static bool may_have_one(struct text calls)
{
    static const char word[] = "code_interpreter";

    return calls.len > 0 && memmem(calls.ptr, calls.len, word, sizeof(word) - 1);
}

void code_calls_render(struct text calls, struct buf *out)
{
    CLEANUP(json_freep) struct json_object *list = NULL;
    struct json_write w;

    if (!may_have_one(calls) || json_decode(calls, JSON_DEPTH_DEFAULT, &list, NULL) < 0 ||
        !json_object_is_type(list, json_type_array)) {
        buf_add_text(out, calls);
        return;
    }
    json_write_init(&w, out);
    json_write_open_array(&w, NULL);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *call = json_object_array_get_idx(list, i);

        if (is_of_code(call))
            write_call(&w, call);
        else
            json_write_raw(&w, NULL, json_text(call));
    }
    json_write_close(&w);
}
