/* `penstock batch run`: thousands of prompts, one run each, as a batch of the API. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scheduler/cli/agents/find_agent.h"
#include "scheduler/cli/batch/batch.h"
#include "scheduler/cli/command.h"
#include "scheduler/cli/files.h"
#include "scheduler/cli/runs/run_body.h"
#include "scheduler/cli/runs/run_view.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"

#define RETRY_MS     ((int64_t)300000)
#define ANSWER_BYTES ((size_t)256 << 20)

struct batch_command {
    const struct arguments *args;
    struct client client;
    struct batch_items items;
    struct json_object *variables;
    char *state_path; /* NULL: results go to standard output */
    FILE *results;
    FILE *report;
};

static void tell_bad_line(void *arg, const char *complaint)
{
    terminal_complain("%s%s", arg ? "left out: " : "", complaint);
}

static int read_items(struct batch_command *command, struct error *err)
{
    const char *path = command->args->positional[0];
    bool skip = arguments_has(command->args, "skip-bad");
    const struct batch_reading how = {path, skip, tell_bad_line, skip ? command : NULL};
    CLEANUP(buf_deinit) struct buf text = {0};
    int r;

    buf_init(&text, BATCH_FILE_BYTES_MAX);
    r = file_read_named(path, &text, err);
    return r < 0 ? r : batch_file_parse(&how, buf_text(&text), &command->items, err);
}

/* Whether results can be written, before anything is begun: old ones stay until there are new
 * ones. */
static int check_results(struct batch_command *command, struct error *err)
{
    const char *path = arguments_get(command->args, "out");
    FILE *file;

    command->report = path ? stdout : stderr;
    if (!path)
        return 0;
    command->state_path = xasprintf("%s.batch", path);
    file = fopen(path, "ae");
    if (!file)
        return error_set_errno(err, errno, "create %s", path);
    (void)fclose(file);
    return 0;
}

static int open_results(struct batch_command *command, struct error *err)
{
    const char *path = arguments_get(command->args, "out");

    command->results = path ? fopen(path, "we") : stdout;
    return command->results ? 0 : error_set_errno(err, errno, "create %s", path);
}

static int close_results(struct batch_command *command, struct error *err)
{
    bool failed = ferror(command->results) != 0;

    if (command->results == stdout)
        return 0; /* output_close sees to it */
    failed = fclose(command->results) != 0 || failed;
    command->results = NULL;
    return failed ? error_set(err, E_SYSTEM, "the results could not be written to %s",
                              arguments_get(command->args, "out"))
                  : 0;
}

/* The one to go on with; NULL: none is said. */
static int read_batch_id(const struct batch_command *command, const char **out, struct error *err)
{
    const char *given = arguments_get(command->args, "batch-id");

    *out = given;
    if (given && (!client_is_plain(given) || strlen(given) > 60))
        return error_set(err, E_INVALID, "--batch-id must be the id of a batch of the API");
    return 0;
}

/* ---- results ---- */

static int read_line(const struct batch_item *item, struct json_object **out, struct error *err)
{
    CLEANUP(freep) char *line = NULL;

    *out = NULL;
    if (!item->file)
        return 0;
    line = xmalloc(item->bytes);
    if (fseeko(item->file, item->at, SEEK_SET) < 0 ||
        fread(line, 1, item->bytes, item->file) != item->bytes)
        return error_set(err, E_SYSTEM, "a downloaded file can't be read");
    return json_decode(text_trim((struct text){line, item->bytes}), JSON_DEPTH_DEFAULT * 2, out,
                       err);
}

static void count(struct batch_progress *progress, const struct batch_answer *answer)
{
    bool completed = text_is(answer->status, "completed");

    progress->done++;
    progress->calls += answer->calls;
    progress->failed += !answer->calls && !completed;
    progress->input_tokens += (uint64_t)json_get_int(answer->usage, "prompt_tokens", 0);
    progress->output_tokens += (uint64_t)json_get_int(answer->usage, "completion_tokens", 0);
    progress->cost_micros += answer->cost_micros;
}

static char *copy_or_null(const char *word)
{
    return word ? xstrdup(word) : NULL;
}

static int write_result(struct batch_command *command, struct batch_item *item,
                        struct batch_progress *progress, struct error *err)
{
    CLEANUP(json_freep) struct json_object *line = NULL;
    CLEANUP(buf_deinit) struct buf out = {0};
    struct batch_answer answer;
    int r = read_line(item, &line, err);

    if (r < 0)
        return r;
    buf_init(&out, ANSWER_BYTES);
    batch_answer_read(line, &answer);
    count(progress, &answer);
    item->run_id = copy_or_null(answer.run_id);
    item->thread_id = copy_or_null(answer.thread_id);
    batch_format_result(item->custom_id, &answer, &out);
    (void)fwrite(buf_string(&out), 1, out.len, command->results);
    return buf_check(&out, err);
}

/* In the order of the prompts, whatever that of the batch's files is. */
static int write_results(struct batch_command *command, struct batch_progress *progress,
                         struct error *err)
{
    int64_t elapsed_ms = progress->elapsed_ms;
    int r = open_results(command, err);

    *progress = (struct batch_progress){.total = command->items.count, .elapsed_ms = elapsed_ms};
    for (size_t i = 0; r == 0 && i < command->items.count; i++)
        r = write_result(command, &command->items.items[i], progress, err);
    return r;
}

static int print_transcripts(struct batch_command *command, struct error *err)
{
    int64_t left = arguments_number(command->args, "transcripts", 0);
    int r = 0;

    for (size_t i = 0; r == 0 && left > 0 && i < command->items.count; i++) {
        const struct batch_item *item = &command->items.items[i];

        if (!item->run_id)
            continue;
        left--;
        (void)fprintf(command->report, "\n--- %s (%s)\n", item->custom_id, item->run_id);
        r = run_print_transcript(&command->client, item->thread_id, item->run_id, command->report,
                                 err);
    }
    return r;
}

static void print_summary(const struct batch_command *command,
                          const struct batch_progress *progress)
{
    CLEANUP(buf_deinit) struct buf text = {0};

    buf_init(&text, 4096);
    batch_format_summary(progress, &text);
    (void)fprintf(command->report, "\n%s", buf_string(&text));
    if (progress->calls > 0)
        (void)fprintf(stderr,
                      "%zu runs called functions, which a program of yours executes, and ended\n"
                      "there: a batch has none who could (docs/tools.md). The results name thread\n"
                      "and run.\n",
                      progress->calls);
}

/* How to go on after a signal, or what else ended this before the batch had ended. */
static void tell_how_to_go_on(const struct batch_command *command, const struct batch_run *run)
{
    if (!run->state.id[0])
        return;
    (void)fprintf(stderr,
                  "The batch %s goes on. The same command%s%s collects its results;\n"
                  "penstock batches cancel %s stops it.\n",
                  run->state.id, command->state_path ? "" : " with --batch-id ",
                  command->state_path ? "" : run->state.id, run->state.id);
}

static int exit_code(const struct batch_command *command, const struct batch_progress *progress)
{
    if (progress->failed > 0 || command->items.skipped > 0)
        return COMMAND_FAILED;
    return progress->calls > 0 ? COMMAND_WAITS : COMMAND_OK;
}

static void forget(const struct batch_command *command)
{
    if (command->state_path)
        (void)unlink(command->state_path);
}

static int finish(struct batch_command *command, struct batch_run *run, struct error *err)
{
    int r = write_results(command, &run->progress, err);

    if (r == 0)
        r = close_results(command, err);
    if (r < 0)
        return r;
    forget(command);
    r = print_transcripts(command, err);
    print_summary(command, &run->progress);
    return r < 0 ? r : exit_code(command, &run->progress);
}

static int run_all(struct batch_command *command, struct error *err)
{
    CLEANUP(freep) char *agent_id = NULL;
    struct batch_run run = {.client = &command->client,
                            .items = &command->items,
                            .variables = command->variables,
                            .state_path = command->state_path};
    int r = read_batch_id(command, &run.batch_id, err);

    if (r == 0)
        r = find_agent(&command->client, arguments_get(command->args, "agent"), &agent_id, err);
    if (r < 0)
        return r;
    run.agent_id = agent_id;
    command->client.retry_for_ms = RETRY_MS;
    r = batch_run(&run, err);
    if (r == 0)
        r = finish(command, &run, err);
    else if (r == -E_REJECTED)
        forget(command);
    else if (r != -E_INVALID)
        tell_how_to_go_on(command, &run);
    for (size_t i = 0; i < ARRAY_LENGTH(run.files); i++)
        if (run.files[i])
            (void)fclose(run.files[i]);
    return run.interrupted ? 128 + run.signal : r;
}

static int batch_on_loop(void *arg)
{
    struct batch_command *command = arg;
    struct error err;
    int r = 0;

    if (!arguments_has(command->args, "agent"))
        r = error_set(&err, E_INVALID, "batch run needs --agent AGENT");
    if (r == 0)
        r = run_variables(command->args, &command->variables, &err);
    if (r == 0)
        r = read_items(command, &err);
    if (r == 0)
        r = client_open(&command->client, &err);
    if (r == 0)
        r = check_results(command, &err);
    if (r == 0)
        r = run_all(command, &err);
    if (command->results && command->results != stdout)
        (void)fclose(command->results);
    client_close(&command->client);
    return r < 0 ? command_fail(&err) : r;
}

static int run(const struct arguments *args)
{
    struct batch_command command = {.args = args};
    int result = command_on_loop(batch_on_loop, &command);

    batch_items_deinit(&command.items);
    json_free(command.variables);
    free(command.state_path);
    return result;
}

static const struct option_spec options[] = {
    {"agent", 'a', "AGENT", "the agent to run: a name, a slug or an id", 0, 0},
    OPTION_VARIABLES,
    {"out", 'o', "FILE", "where results go, in the order of the prompts (default: standard output)",
     0, 0},
    {"concurrency", 'c', "N", "has no effect any more: the server sets the pace", 1, 1000},
    {"transcripts", 0, "N", "print the transcripts of the first N runs", 0, 1000000},
    {"skip-bad", 0, NULL, "leave bad lines out instead of refusing the file", 0, 0},
    {"batch-id", 0, "ID", "collect this batch, which an interrupted command has begun", 0, 0},
};

const struct command command_batch_run = {
    .name = "batch run",
    .arguments = "FILE --agent AGENT",
    .summary = "Run an agent on each prompt of a file",
    .details =
        "Each line of FILE is {\"prompt\": \"...\"}, with \"custom_id\", \"metadata\" and\n"
        "\"variables\" if wanted; those of a line outrank --variables.\n"
        "Each line of the results is {custom_id, run_id, thread_id, status, answer, usage,\n"
        "cost_micros, error}.\n"
        "The prompts are a batch of /v1/batches, which goes on when the command is interrupted;\n"
        "the same command collects it then, by FILE.batch beside --out FILE.\n"
        "Exit code: 0 all completed; 1 some did not; 2 wrong usage or a bad line; 3 the server\n"
        "can't be reached or refuses the key; 4 all others completed, and some called functions\n"
        "that a program of yours executes.",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run,
};
