/* `penstock batch run`: thousands of prompts, one run each. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "scheduler/cli/agents/find_agent.h"
#include "scheduler/cli/batch/batch.h"
#include "scheduler/cli/command.h"
#include "scheduler/cli/files.h"
#include "scheduler/cli/runs/run_body.h"
#include "scheduler/cli/runs/run_view.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"

#define CONCURRENCY_DEFAULT 64
#define RETRY_MS            ((int64_t)300000)

struct batch_command {
    const struct arguments *args;
    struct client client;
    struct batch_items items;
    struct json_object *variables;
    char batch_id[64];
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

static int open_results(struct batch_command *command, struct error *err)
{
    const char *path = arguments_get(command->args, "out");

    command->results = stdout;
    command->report = stderr;
    if (!path)
        return 0;
    command->results = fopen(path, "we");
    command->report = stdout;
    if (!command->results)
        return error_set_errno(err, errno, "create %s", path);
    return 0;
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

static int choose_batch_id(struct batch_command *command, struct error *err)
{
    const char *given = arguments_get(command->args, "batch-id");

    if (!given) {
        uuid_format(uuid_new(), command->batch_id);
        return 0;
    }
    if (!client_is_plain(given) || strlen(given) > 60)
        return error_set(err, E_INVALID,
                         "--batch-id must be at most 60 letters, digits, \"-\" and \"_\"");
    (void)snprintf(command->batch_id, sizeof(command->batch_id), "%s", given);
    return 0;
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

static void print_summary(const struct batch_command *command, const struct batch_run *run)
{
    CLEANUP(buf_deinit) struct buf text = {0};

    buf_init(&text, 4096);
    batch_format_summary(&run->progress, &text);
    (void)fprintf(command->report, "\n%s", buf_string(&text));
    if (run->progress.done < run->progress.total)
        (void)fprintf(stderr,
                      "Runs that were submitted go on. The same command with --batch-id %s\n"
                      "collects them and submits the rest, none twice.\n",
                      command->batch_id);
    if (run->progress.waiting > 0)
        (void)fprintf(
            stderr,
            "%zu runs wait for the outputs of functions, which a program of yours gives:\n"
            "POST /v1/threads/THREAD/runs/RUN/submit_tool_outputs (docs/tools.md); the\n"
            "results name thread, run and calls. The same command with --batch-id %s\n"
            "then collects the answers.\n",
            run->progress.waiting, command->batch_id);
}

static int exit_code(const struct batch_command *command, const struct batch_run *run)
{
    if (run->progress.failed > 0 || command->items.skipped > 0)
        return COMMAND_FAILED;
    return run->progress.waiting > 0 ? COMMAND_WAITS : COMMAND_OK;
}

static int run_all(struct batch_command *command, struct error *err)
{
    CLEANUP(freep) char *agent_id = NULL;
    struct batch_run run = {.client = &command->client,
                            .items = &command->items,
                            .variables = command->variables,
                            .batch_id = command->batch_id,
                            .results = command->results};
    struct error report_error;
    int r;

    run.concurrency = (unsigned)arguments_number(command->args, "concurrency", CONCURRENCY_DEFAULT);
    r = find_agent(&command->client, arguments_get(command->args, "agent"), &agent_id, err);
    if (r < 0)
        return r;
    run.agent_id = agent_id;
    command->client.retry_for_ms = RETRY_MS;
    r = batch_run(&run, err);
    if (close_results(command, &report_error) < 0 && r == 0) {
        *err = report_error;
        r = -err->code;
    }
    if (r == 0)
        r = print_transcripts(command, err);
    print_summary(command, &run);
    if (run.interrupted)
        return 128 + run.signal;
    if (r < 0)
        return r;
    return exit_code(command, &run);
}

static int batch_on_loop(void *arg)
{
    struct batch_command *command = arg;
    struct error err;
    int r = choose_batch_id(command, &err);

    if (r == 0 && !arguments_has(command->args, "agent"))
        r = error_set(&err, E_INVALID, "batch run needs --agent AGENT");
    if (r == 0)
        r = run_variables(command->args, &command->variables, &err);
    if (r == 0)
        r = read_items(command, &err);
    if (r == 0)
        r = client_open(&command->client, &err);
    if (r == 0)
        r = open_results(command, &err);
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
    return result;
}

static const struct option_spec options[] = {
    {"agent", 'a', "AGENT", "the agent to run: a name, a slug or an id", 0, 0},
    OPTION_VARIABLES,
    {"out", 'o', "FILE", "where results go, in the order of the prompts (default: standard output)",
     0, 0},
    {"concurrency", 'c', "N", "submissions in flight (default 64)", 1, 1000},
    {"transcripts", 0, "N", "print the transcripts of the first N runs", 0, 1000000},
    {"skip-bad", 0, NULL, "leave bad lines out instead of refusing the file", 0, 0},
    {"batch-id", 0, "ID", "go on with a batch that was interrupted; nothing is submitted twice", 0,
     0},
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
        "Exit code: 0 all completed; 1 some did not; 2 wrong usage or a bad line; 3 the server\n"
        "can't be reached or refuses the key; 4 all others completed, and some wait for tool\n"
        "outputs.",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run,
};
