/* `penstock runs list`. */

#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/agent_names.h"
#include "scheduler/cli/display/print_list.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/runs/run_view.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/check/fields.h"
#include "shared/store/runs/run_state.h"

static enum terminal_colour status_colour(struct text status)
{
    if (text_is(status, "completed"))
        return TERMINAL_GREEN;
    if (text_is(status, "failed") || text_is(status, "expired") || text_is(status, "incomplete"))
        return TERMINAL_RED;
    return text_is(status, "cancelled") ? TERMINAL_DIM : TERMINAL_YELLOW;
}

static void print_head(void)
{
    printf("%-36s  %-15s  %-25s  %6s  %8s  %-20s  %s\n", "RUN", "STATUS", "CREATED", "TOOK",
           "TOKENS", "AGENT", "MODEL");
}

static void print_run(struct json_object *run, struct text agent)
{
    struct text status = json_get_text(run, "status");
    char created[WHEN_SIZE];
    char took[WHEN_SIZE];

    when_format(json_get_int(run, "created_at", 0), true, created);
    when_format_span(run_took_seconds(run), took);
    printf("%.*s  %s%-15.*s%s  %-25s  %6s  %8lld  ", TEXT_ARGS(json_get_text(run, "id")),
           terminal_colour(stdout, status_colour(status)), TEXT_ARGS(status),
           terminal_colour(stdout, TERMINAL_PLAIN), created, took,
           (long long)json_get_int(json_get(run, "usage"), "total_tokens", 0));
    print_column(agent, 20);
    printf("  ");
    terminal_print_line(stdout, json_get_text(run, "model"), 40);
    printf("\n");
}

/* NULL: of any. */
static int check_status(const char *word, struct error *err)
{
    enum run_status status;
    char names[160];
    char shown[24];

    if (!word || run_status_parse(text_of(word), &status))
        return 0;
    words_format(run_status_names, names, sizeof(names));
    text_excerpt(text_of(word), shown, sizeof(shown));
    return error_set(err, E_INVALID, "there is no status \"%s\"; there are %s", shown, names);
}

static int list(struct client *client, const struct arguments *args, struct error *err)
{
    const char *status =
        arguments_get(args, "waiting") ? "requires_action" : arguments_get(args, "status");
    CLEANUP(freep)
    char *path = xasprintf("/v1/runs%s%s", status ? "?status=" : "", status ? status : "");
    const struct print_list printed = {.args = args, .head = print_head, .row = print_run};
    int r = check_status(status, err);

    return r < 0 ? r
                 : print_list(client, &printed, path, (size_t)arguments_number(args, "limit", 20),
                              err);
}

static int run_list(const struct arguments *args)
{
    return client_command(args, list);
}

static const struct option_spec list_options[] = {
    {"status", 's', "STATUS", "only runs in this state (queued, in_progress, failed, ...)", 0, 0},
    {"waiting", 0, NULL, "only runs that somebody keeps waiting (--status requires_action)", 0, 0},
    {"limit", 'n', "N", "how many, the newest first (default 20)", 1, 100000},
    {"json", 0, NULL, "one JSON object a line", 0, 0},
};

const struct command command_runs_list = {
    .name = "runs list",
    .arguments = "",
    .summary = "List runs, the newest first",
    .options = list_options,
    .options_count = ARRAY_LENGTH(list_options),
    .run = run_list,
};
