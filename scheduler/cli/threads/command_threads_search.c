/* `penstock threads search`. */

#include <stdio.h>

#include "scheduler/cli/agents/find_agent.h"
#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/print_list.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/base/text.h"

enum { LIMIT_DEFAULT = 20, LIMIT_MAX = 100, SNIPPET_WIDTH = 200, TITLE_WIDTH = 60 };

static void add_member(struct json_object *body, const char *name, const char *value)
{
    if (value)
        json_object_object_add(body, name, json_object_new_string(value));
}

/* The caller's to json_free. */
static struct json_object *make_body(const struct arguments *args, const char *agent_id)
{
    struct json_object *body = json_object_new_object();
    CLEANUP(buf_deinit) struct buf query;

    buf_init(&query, 0);
    for (size_t i = 0; i < args->positional_count; i++) {
        buf_add_string(&query, i ? " " : "");
        buf_add_string(&query, args->positional[i]);
    }
    add_member(body, "query", buf_string(&query));
    add_member(body, "user_id", arguments_get(args, "user"));
    add_member(body, "assistant_id", agent_id);
    json_object_object_add(body, "limit",
                           json_object_new_int64(arguments_number(args, "limit", LIMIT_DEFAULT)));
    return body;
}

/* A line that says where, and one that says what. */
static void print_hit(struct json_object *hit, struct text agent)
{
    struct text user = json_get_text(hit, "user_id");
    char created[WHEN_SIZE];

    (void)agent;
    when_format(json_get_int(hit, "created_at", 0), true, created);
    printf("%s%.*s%s  %s  %-9.*s", terminal_colour(stdout, TERMINAL_CYAN),
           TEXT_ARGS(json_get_text(hit, "thread_id")), terminal_colour(stdout, TERMINAL_PLAIN),
           created, TEXT_ARGS(json_get_text(hit, "role")));
    if (user.len > 0) {
        printf("  ");
        terminal_print_line(stdout, user, TITLE_WIDTH);
    }
    if (json_get_text(hit, "title").len > 0) {
        printf("  ");
        terminal_print_line(stdout, json_get_text(hit, "title"), TITLE_WIDTH);
    }
    printf("\n    ");
    terminal_print_line(stdout, json_get_text(hit, "snippet"), SNIPPET_WIDTH);
    printf("\n");
}

static int search_threads(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *agent = NULL;
    CLEANUP(json_freep) struct json_object *body = NULL;
    const struct print_list printed = {.args = args, .row = print_hit, .without_agents = true};
    struct client_reply reply = {0};
    int r = find_agent_if(client, arguments_get(args, "agent"), &agent, err);

    if (r < 0)
        return r;
    body = make_body(args, agent);
    r = client_post(client, "/v1/threads/search", body, &reply, err);
    if (r < 0)
        return r;
    r = print_list_array(client, &printed, json_get(reply.json, "data"), err);
    client_reply_deinit(&reply);
    return r;
}

static int run_threads_search(const struct arguments *args)
{
    return client_command(args, search_threads);
}

static const struct option_spec options[] = {
    {"user", 'u', "USER", "only threads of this user", 0, 0},
    {"agent", 'a', "AGENT", "only threads of this agent: a name, a slug or an id", 0, 0},
    {"limit", 'n', "N", "how many, the newest first (default 20)", 1, LIMIT_MAX},
    {"json", 0, NULL, "one JSON object a line", 0, 0},
};

const struct command command_threads_search = {
    .name = "threads search",
    .arguments = "WORDS...",
    .summary = "Find messages by their words, the newest first",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .positional_min = 1,
    .positional_max = ARGUMENTS_POSITIONAL_MAX,
    .run = run_threads_search,
};
