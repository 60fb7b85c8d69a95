/* `penstock threads list`. */

#include <stdio.h>

#include "scheduler/cli/agents/find_agent.h"
#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/agent_names.h"
#include "scheduler/cli/display/print_list.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

enum { LIMIT_DEFAULT = 20, LIMIT_MAX = 100000, TITLE_WIDTH = 60, NAME_WIDTH = 20 };

static void print_head(void)
{
    printf("%-39s  %-25s  %8s  %-20s  %-20s  %s\n", "THREAD", "LAST USED", "MESSAGES", "USER",
           "AGENT", "TITLE");
}

static void print_thread(struct json_object *thread, struct text agent)
{
    struct text user = json_get_text(thread, "user_id");
    char used[WHEN_SIZE];

    when_format(json_get_int(thread, "last_used_at", 0), true, used);
    printf("%.*s  %-25s  %8lld  ", TEXT_ARGS(json_get_text(thread, "id")), used,
           (long long)json_get_int(thread, "message_count", 0));
    print_column(user.len > 0 ? user : TEXT("-"), NAME_WIDTH);
    printf("  ");
    print_column(agent, NAME_WIDTH);
    printf("  ");
    terminal_print_line(stdout, json_get_text(thread, "title"), TITLE_WIDTH);
    printf("%s\n", json_get_int(thread, "archived_at", 0) > 0 ? " (archived)" : "");
}

static void add_member(struct buf *path, const char *name, const char *value)
{
    CLEANUP(freep) char *encoded = value ? client_encode(value) : NULL;

    if (encoded)
        buf_printf(path, "&%s=%s", name, encoded);
}

static int list(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(buf_deinit) struct buf path = {0};
    const struct print_list printed = {.args = args, .head = print_head, .row = print_thread};
    CLEANUP(freep) char *agent = NULL;
    int r = find_agent_if(client, arguments_get(args, "agent"), &agent, err);

    if (r < 0)
        return r;
    buf_init(&path, 0);
    buf_printf(&path, "/v1/threads?order_by=%s",
               arguments_has(args, "created") ? "created_at" : "last_used_at");
    add_member(&path, "user_id", arguments_get(args, "user"));
    add_member(&path, "assistant_id", agent);
    if (arguments_has(args, "archived"))
        add_member(&path, "archived", "true");
    if (arguments_has(args, "active"))
        add_member(&path, "active", "true");
    return print_list(client, &printed, buf_string(&path),
                      (size_t)arguments_number(args, "limit", LIMIT_DEFAULT), err);
}

static int run_list(const struct arguments *args)
{
    return client_command(args, list);
}

static const struct option_spec options[] = {
    {"user", 'u', "USER", "only threads of this user", 0, 0},
    {"agent", 'a', "AGENT", "only threads of this agent: a name, a slug or an id", 0, 0},
    {"archived", 0, NULL, "only archived ones, which are left out otherwise", 0, 0},
    {"active", 0, NULL, "only those that their agent and user are at", 0, 0},
    {"created", 0, NULL, "in the order of their creation, not of their last use", 0, 0},
    {"limit", 'n', "N", "how many, the last one first (default 20)", 1, LIMIT_MAX},
    {"json", 0, NULL, "one JSON object a line", 0, 0},
};

const struct command command_threads_list = {
    .name = "threads list",
    .arguments = "",
    .summary = "List threads, the last one used first",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .run = run_list,
};
