/* The code interpreter: OpenAI's tool of that name, by a sandbox.
 *
 * A call may be repeated. A program has no network and sees nothing that others write; what it
 * changes is its thread's work folder and files of its own, both written behind its end, by the
 * owner of the run alone, and under the call's key: who makes the call again begins where it began
 * the first time, and puts what he made in the place of what was made before (work_folder.h). So a
 * worker that dies in the middle costs the time of a program, and the model is not told of an
 * effect that nobody knows.
 *
 * A worker that can have no sandbox says so to the model. It never runs a program without one.
 */

#include <json-c/json.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/json/json.h"
#include "worker/tools/sandbox/interpreter_result.h"
#include "worker/tools/sandbox/sandbox.h"
#include "worker/tools/sandbox/work_files.h"
#include "worker/tools/tool.h"

#define CODE_MAX    ((size_t)256 << 10) /* bytes */
#define ARENA_BYTES ((size_t)1 << 20)

static const char description[] =
    "Runs a program in a sandbox and returns what it prints. Print what you want to see. It has no "
    "network and no input. Files: /job/in has those that were given (read them there); /job/work "
    "is "
    "the current folder, whose files are there again in the next call; files that you write to "
    "/job/out are given to the user, images as images. Python has the standard library, and numpy, "
    "pandas and matplotlib where they are installed.";

static const char parameters[] =
    "{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\",\"description\":\"The "
    "whole program\"},\"language\":{\"type\":\"string\",\"enum\":[\"python\",\"javascript\"],"
    "\"description\":\"python when absent\"}},\"required\":[\"code\"],"
    "\"additionalProperties\":false}";

static int find(const struct tool_member *member, struct arena *arena, struct tool *tool,
                struct chat_tool *shown, struct error *err)
{
    (void)arena;
    (void)err;
    if (!text_is(json_get_text(member->item, "type"), "code_interpreter"))
        return TOOL_NOT_HERE;
    tool->own = NULL;
    tool->name = TEXT("code_interpreter");
    *shown = (struct chat_tool){
        .name = tool->name,
        .description = text_of(description),
        .parameters = text_of(parameters),
    };
    return 0;
}

static enum call_class classify(const struct tool *tool, struct text arguments)
{
    (void)tool;
    (void)arguments;
    return CALL_IDEMPOTENT;
}

static void describe(const struct tool *tool, struct text arguments, struct buf *out)
{
    (void)tool;
    (void)arguments;
    buf_add_string(out, "code_interpreter");
}

static int read_language(struct json_object *arguments, enum sandbox_language *out,
                         struct error *err)
{
    struct json_object *member = json_get(arguments, "language");

    *out = SANDBOX_PYTHON;
    if (!member || text_is(json_string(member), "python"))
        return 0;
    *out = SANDBOX_JAVASCRIPT;
    if (text_is(json_string(member), "javascript"))
        return 0;
    return error_set(err, E_INVALID, "the language must be python or javascript");
}

/* Texts of *out live in *arguments. */
static int read_job(const struct tool_call *call, struct json_object **arguments,
                    struct sandbox_job *out, struct error *err)
{
    int r;

    if (call->arguments.len > TOOL_ARGUMENTS_MAX)
        return error_set(err, E_LIMIT, "the arguments are over %zu bytes", TOOL_ARGUMENTS_MAX);
    r = json_decode(call->arguments, JSON_DEPTH_DEFAULT, arguments, err);
    if (r < 0)
        return error_wrap(err, "the arguments are not valid JSON");
    out->code = json_get_text(*arguments, "code");
    if (!out->code.ptr || text_trim(out->code).len == 0)
        return error_set(err, E_INVALID, "the arguments do not fit: 'code' must be a program");
    if (out->code.len > CODE_MAX)
        return error_set(err, E_LIMIT, "the program has more than %zu bytes", CODE_MAX);
    return read_language(*arguments, &out->language, err);
}

/* A program has its own time, which is longer than that of other tools. */
static int64_t deadline_of(const struct tool_call *call)
{
    int64_t wall_ms = sandbox_options_get(call->services->sandbox)->wall_ms;

    return deadline_min(deadline_in(2 * wall_ms), call->expires_ms);
}

/* What a store says is for people, and not for a model. */
static int stores_failed(int r, struct error *err)
{
    if (r == -E_CANCELED)
        return r;
    log_warn("files of a program can't be moved", LOG_ERROR(err));
    return error_set(err, E_UNAVAILABLE, "the files of programs can't be reached: try again later");
}

/* What the model is told of a program. */
struct program_result {
    struct buf *out;
    uint64_t left_out; /* bytes that it printed beside that */
};

/* What is around a program: its files before and behind it. */
static int run_with(const struct tool_call *call, struct sandbox_job *job, struct work_files *files,
                    struct program_result *told, struct error *err)
{
    struct sandbox *sandbox = call->services->sandbox;
    struct sandbox_outcome outcome;
    struct interpreter_result result = {.outcome = &outcome,
                                        .options = sandbox_options_get(sandbox)};
    CLEANUP(buf_deinit) struct buf archive;
    int r;

    buf_init(&archive, SANDBOX_IN_BYTES + SANDBOX_WORK_BYTES + ((size_t)2 << 20));
    r = sandbox_check(sandbox, job, err);
    if (r < 0)
        return r;
    r = work_files_fetch(files, &archive, err);
    if (r < 0)
        return stores_failed(r, err);
    job->files = buf_text(&archive);
    sandbox_outcome_init(&outcome);
    r = sandbox_run(sandbox, job, &outcome, err);
    if (r == 0 && !outcome.lost) {
        r = work_files_keep(files, buf_text(&outcome.archive), err);
        r = r < 0 ? stores_failed(r, err) : 0;
    }
    result.files = files->made;
    result.file_count = files->made_count;
    result.note = buf_text(&files->note);
    if (r == 0)
        told->left_out = interpreter_result_write(&result, told->out);
    sandbox_outcome_deinit(&outcome);
    return r;
}

static int run(const struct tool_call *call, struct sandbox_job *job, struct program_result *told,
               struct error *err)
{
    struct work_files files;
    struct arena arena;
    int r;

    arena_init(&arena, ARENA_BYTES);
    work_files_init(&files, call, &arena);
    r = run_with(call, job, &files, told, err);
    work_files_deinit(&files);
    arena_deinit(&arena);
    return r;
}

static int call_it(const struct tool_call *call, struct buf *out, struct tool_outcome *outcome,
                   struct error *err)
{
    CLEANUP(json_freep) struct json_object *arguments = NULL;
    struct sandbox_job job = {.files = TEXT_NONE};
    struct program_result told = {.out = out};
    int r;

    if (!call->services->sandbox)
        return error_set(err, E_UNAVAILABLE, "programs can't be run here: it is switched off");
    r = read_job(call, &arguments, &job, err);
    if (r < 0)
        return r;
    job.deadline_ms = deadline_of(call);
    *outcome = (struct tool_outcome){.end = TOOL_DONE};
    r = sandbox_enter_thread(call->services->sandbox, call->place.thread, job.deadline_ms, err);
    if (r < 0)
        return r;
    r = run(call, &job, &told, err);
    sandbox_leave_thread(call->services->sandbox, call->place.thread);
    if (told.left_out > 0)
        outcome->report =
            (struct call_report){.bytes = (int64_t)(out->len + told.left_out), .is_cut = true};
    return r;
}

const struct tool_source tool_source_sandbox = {
    .name = "sandbox",
    .type = "code_interpreter",
    .class_is_fixed = true,
    .find = find,
    .classify = classify,
    .describe = describe,
    .call = call_it,
};
