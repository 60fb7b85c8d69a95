/* `penstock threads list`. */

#include <stdio.h>

#include "scheduler/cli/agents/find_agent.h"
#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/agent_names.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

enum { LIMIT_DEFAULT = 20, LIMIT_MAX = 100000, TITLE_WIDTH = 60, NAME_WIDTH = 20 };

/* A list as it is printed: its head comes with its first row, so that an error stands alone. */
struct listing {
    const struct arguments *args;
    struct agent_names names;
    bool headed;
};

static void print_head(struct listing *listing)
{
    if (!listing->headed)
        printf("%-39s  %-25s  %8s  %-20s  %-20s  %s\n", "THREAD", "LAST USED", "MESSAGES", "USER",
               "AGENT", "TITLE");
    listing->headed = true;
}

static int print_row(struct listing *listing, struct json_object *thread, struct error *err)
{
    struct text user = json_get_text(thread, "user_id");
    const char *agent_id = json_get_string(thread, "assistant_id");
    struct text agent = TEXT("-");
    char used[WHEN_SIZE];
    int r = agent_id ? agent_names_find(&listing->names, agent_id, &agent, err) : 0;

    if (r < 0)
        return r;
    print_head(listing);
    when_format(json_get_int(thread, "last_used_at", 0), true, used);
    printf("%.*s  %-25s  %8lld  ", TEXT_ARGS(json_get_text(thread, "id")), used,
           (long long)json_get_int(thread, "message_count", 0));
    print_column(user.len > 0 ? user : TEXT("-"), NAME_WIDTH);
    printf("  ");
    print_column(agent, NAME_WIDTH);
    printf("  ");
    terminal_print_line(stdout, json_get_text(thread, "title"), TITLE_WIDTH);
    printf("%s\n", json_get_int(thread, "archived_at", 0) > 0 ? " (archived)" : "");
    return 0;
}

static int list_one(void *arg, struct json_object *thread, struct error *err)
{
    struct listing *listing = arg;
    int r = 0;

    if (arguments_has(listing->args, "json"))
        printf("%.*s\n", TEXT_ARGS(json_text(thread)));
    else
        r = print_row(listing, thread, err);
    return r < 0 ? r : output_check(err);
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
    struct listing listing = {.args = args};
    struct client_walk walk = {NULL, (size_t)arguments_number(args, "limit", LIMIT_DEFAULT),
                               list_one, &listing};
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
    walk.path = buf_string(&path);
    agent_names_init(&listing.names, client);
    r = client_walk(client, &walk, err);
    if (r == 0 && !arguments_has(args, "json"))
        print_head(&listing);
    agent_names_deinit(&listing.names);
    return r;
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
