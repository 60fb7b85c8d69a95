/* `penstock batches list`, `show`, `cancel` and `wait`. */

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/money.h"
#include "scheduler/cli/display/print_list.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"

#define LOOK_MS 1000

static enum terminal_colour status_colour(struct text status)
{
    if (text_is(status, "completed"))
        return TERMINAL_GREEN;
    if (text_is(status, "failed") || text_is(status, "expired"))
        return TERMINAL_RED;
    return text_is(status, "cancelled") ? TERMINAL_DIM : TERMINAL_YELLOW;
}

static int64_t count_of(struct json_object *batch, const char *name)
{
    return json_get_int(json_get(batch, "request_counts"), name, 0);
}

static void print_head(void)
{
    printf("%-38s  %-12s  %-25s  %9s  %9s  %9s  %s\n", "BATCH", "STATUS", "CREATED", "LINES",
           "DONE", "FAILED", "ENDPOINT");
}

static void print_batch(struct json_object *batch, struct text agent)
{
    struct text status = json_get_text(batch, "status");
    char created[WHEN_SIZE];

    (void)agent;
    when_format(json_get_int(batch, "created_at", 0), true, created);
    printf("%.*s  %s%-12.*s%s  %-25s  %9" PRId64 "  %9" PRId64 "  %9" PRId64 "  %.*s\n",
           TEXT_ARGS(json_get_text(batch, "id")), terminal_colour(stdout, status_colour(status)),
           TEXT_ARGS(status), terminal_colour(stdout, TERMINAL_PLAIN), created,
           count_of(batch, "total"), count_of(batch, "completed"), count_of(batch, "failed"),
           TEXT_ARGS(json_get_text(batch, "endpoint")));
}

static int list(struct client *client, const struct arguments *args, struct error *err)
{
    const struct print_list printed = {
        .args = args, .head = print_head, .row = print_batch, .without_agents = true};

    return print_list(client, &printed, "/v1/batches", (size_t)arguments_number(args, "limit", 20),
                      err);
}

/* ---- one ---- */

static int batch_path(const struct arguments *args, const char *behind, char **out,
                      struct error *err)
{
    const char *id = args->positional[0];

    if (!client_is_plain(id))
        return error_set(err, E_INVALID, "\"%.60s\" is no id of a batch", id);
    *out = xasprintf("/v1/batches/%s%s", id, behind);
    return 0;
}

static void print_text(const char *name, struct text value)
{
    if (value.ptr)
        printf("%-10s %.*s\n", name, TEXT_ARGS(value));
}

static void print_faults(struct json_object *batch)
{
    struct json_object *faults = json_get(json_get(batch, "errors"), "data");
    size_t count = faults ? json_object_array_length(faults) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *fault = json_object_array_get_idx(faults, i);
        int64_t line = json_get_int(fault, "line", 0);

        if (line > 0)
            printf("line %" PRId64 ": ", line);
        terminal_print_line(stdout, json_get_text(fault, "message"), 300);
        printf("\n");
    }
}

static void print_details(struct json_object *batch)
{
    char cost[MONEY_SIZE];

    print_text("batch", json_get_text(batch, "id"));
    print_text("endpoint", json_get_text(batch, "endpoint"));
    print_text("status", json_get_text(batch, "status"));
    printf("%-10s %" PRId64 ", %" PRId64 " done, %" PRId64 " failed\n", "lines",
           count_of(batch, "total"), count_of(batch, "completed"), count_of(batch, "failed"));
    money_format(json_get_int(json_get(batch, "usage"), "cost_micros", 0), cost);
    printf("%-10s %" PRId64 " tokens, %s\n", "usage",
           json_get_int(json_get(batch, "usage"), "total_tokens", 0), cost);
    print_text("input", json_get_text(batch, "input_file_id"));
    print_text("output", json_get_text(batch, "output_file_id"));
    print_text("errors", json_get_text(batch, "error_file_id"));
    print_faults(batch);
}

static void print_one(const struct arguments *args, struct json_object *batch)
{
    if (arguments_has(args, "json"))
        printf("%.*s\n", TEXT_ARGS(json_text(batch)));
    else
        print_details(batch);
}

static int show(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    int r = batch_path(args, "", &path, err);

    if (r == 0)
        r = client_get(client, path, &reply, err);
    if (r < 0)
        return r;
    print_one(args, reply.json);
    client_reply_deinit(&reply);
    return 0;
}

static int cancel(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    int r = batch_path(args, "/cancel", &path, err);

    if (r == 0)
        r = client_post(client, path, NULL, &reply, err);
    if (r < 0)
        return r;
    printf("%s is %.*s\n", args->positional[0], TEXT_ARGS(json_get_text(reply.json, "status")));
    client_reply_deinit(&reply);
    return 0;
}

static bool is_over(struct text status)
{
    return text_is(status, "completed") || text_is(status, "failed") ||
           text_is(status, "expired") || text_is(status, "cancelled");
}

static void print_progress(struct json_object *batch)
{
    if (isatty(STDERR_FILENO) != 1)
        return;
    (void)fprintf(stderr, "\r%.*s: %" PRId64 " of %" PRId64 " lines, %" PRId64 " failed\033[K",
                  TEXT_ARGS(json_get_text(batch, "status")),
                  count_of(batch, "completed") + count_of(batch, "failed"),
                  count_of(batch, "total"), count_of(batch, "failed"));
    (void)fflush(stderr);
}

static int exit_code(struct json_object *batch)
{
    bool whole = text_is(json_get_text(batch, "status"), "completed");

    return whole && count_of(batch, "failed") == 0 ? COMMAND_OK : COMMAND_FAILED;
}

static int await_end(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    int r = batch_path(args, "", &path, err);

    while (r == 0) {
        struct client_reply reply = {0};

        r = client_get(client, path, &reply, err);
        if (r < 0)
            return r;
        print_progress(reply.json);
        if (is_over(json_get_text(reply.json, "status"))) {
            if (isatty(STDERR_FILENO) == 1)
                (void)fprintf(stderr, "\r\033[K");
            print_one(args, reply.json);
            r = exit_code(reply.json);
            client_reply_deinit(&reply);
            return r;
        }
        client_reply_deinit(&reply);
        r = fiber_sleep(LOOK_MS, err);
    }
    return r;
}

static int run_list(const struct arguments *args)
{
    return client_command(args, list);
}

static int run_show(const struct arguments *args)
{
    return client_command(args, show);
}

static int run_cancel(const struct arguments *args)
{
    return client_command(args, cancel);
}

static int run_wait(const struct arguments *args)
{
    return client_command(args, await_end);
}

static const struct option_spec list_options[] = {
    {"limit", 'n', "N", "how many, the newest first (default 20)", 1, 100000},
    {"json", 0, NULL, "one JSON object a line", 0, 0},
};

static const struct option_spec one_options[] = {
    {"json", 0, NULL, "the batch as the API shows it", 0, 0},
};

const struct command command_batches_list = {
    .name = "batches list",
    .arguments = "",
    .summary = "List batches of the API, the newest first",
    .options = list_options,
    .options_count = ARRAY_LENGTH(list_options),
    .run = run_list,
};

const struct command command_batches_show = {
    .name = "batches show",
    .arguments = "BATCH",
    .summary = "Show a batch, and what is wrong with its lines",
    .options = one_options,
    .options_count = ARRAY_LENGTH(one_options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_show,
};

const struct command command_batches_cancel = {
    .name = "batches cancel",
    .arguments = "BATCH",
    .summary = "Cancel a batch; what is done stays in its output",
    .positional_min = 1,
    .positional_max = 1,
    .run = run_cancel,
};

const struct command command_batches_wait = {
    .name = "batches wait",
    .arguments = "BATCH",
    .summary = "Wait for the end of a batch",
    .details =
        "Exit code: 0 each line was completed; 1 the batch or some lines were not; 2 wrong\n"
        "usage; 3 the server can't be reached or refuses the key. The batch goes on when the\n"
        "command is interrupted.",
    .options = one_options,
    .options_count = ARRAY_LENGTH(one_options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_wait,
};
