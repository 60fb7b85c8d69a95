/* `penstock users memories`: sentences that are known of a user. */

#include <stdio.h>

#include "scheduler/cli/agents/find_agent.h"
#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 100000, SEARCH_DEFAULT = 10, SEARCH_MAX = 50 };

/* The path of the user's memories, and of what is behind (""). The caller's. */
static char *path_of(const struct arguments *args, const char *behind)
{
    CLEANUP(freep) char *user = client_encode(args->positional[0]);

    return xasprintf("/v1/users/%s/memories%s", user, behind);
}

static char *path_of_one(const struct arguments *args)
{
    CLEANUP(freep) char *id = client_encode(args->positional[1]);
    CLEANUP(freep) char *behind = xasprintf("/%s", id);

    return path_of(args, behind);
}

/* "mem_…  fact        text". */
static void print_one(struct json_object *memory)
{
    printf("%-36s  %-10s  ", json_get_string(memory, "id"), json_get_string(memory, "kind"));
    terminal_print(stdout, json_get_text(memory, "text"));
}

static int print_item(void *arg, struct json_object *item, struct error *err)
{
    (void)arg;
    (void)err;
    print_one(item);
    printf("\n");
    return 0;
}

static int list(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = path_of(args, "?order=asc");
    CLEANUP(freep) char *asked = NULL;
    CLEANUP(freep) char *agent = NULL;
    const char *kind = arguments_get(args, "kind");
    struct client_walk walk = {.max_items = (size_t)arguments_number(args, "limit", LIST_DEFAULT),
                               .each = print_item};
    CLEANUP(freep) char *encoded = client_encode(kind ? kind : "");
    int r = find_agent_if(client, arguments_get(args, "agent"), &agent, err);

    if (r < 0)
        return r;
    asked = xasprintf("%s%s%s%s%s%s", path, kind ? "&kind=" : "", encoded,
                      arguments_has(args, "replaced") ? "&replaced=true" : "",
                      agent ? "&assistant_id=" : "", agent ? agent : "");
    walk.path = asked;
    return client_walk(client, &walk, err);
}

/* The members that options say. */
static int add_options(struct client *client, const struct arguments *args,
                       struct json_object *body, struct error *err)
{
    CLEANUP(freep) char *agent = NULL;
    const char *kind = arguments_get(args, "kind");
    int r = find_agent_if(client, arguments_get(args, "agent"), &agent, err);

    if (r < 0)
        return r;
    if (kind)
        json_object_object_add(body, "kind", json_object_new_string(kind));
    if (agent)
        json_object_object_add(body, "assistant_id", json_object_new_string(agent));
    return 0;
}

static int check_text(const char *text, struct error *err)
{
    return text_is_utf8(text_of(text)) ? 0 : error_set(err, E_INVALID, "the text is no UTF-8");
}

static int print_reply(struct client_reply *reply)
{
    print_one(reply->json);
    printf("\n");
    client_reply_deinit(reply);
    return 0;
}

static int add(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    CLEANUP(freep) char *path = path_of(args, "");
    const char *text = args->positional[1];
    struct client_reply reply = {0};
    int r = check_text(text, err);

    if (r == 0)
        r = add_options(client, args, body, err);
    if (r < 0)
        return r;
    json_object_object_add(body, "text", json_object_new_string(text));
    r = client_post_once(client, path, body, &reply, err);
    return r < 0 ? r : print_reply(&reply);
}

static void print_found(struct json_object *found)
{
    struct json_object *data = json_get(found, "data");

    for (size_t i = 0; i < json_object_array_length(data); i++) {
        struct json_object *memory = json_object_array_get_idx(data, i);

        printf("%.2f  ", json_object_get_double(json_get(memory, "score")));
        (void)print_item(NULL, memory, NULL);
    }
    if (json_get_bool(found, "degraded", false))
        terminal_complain("compared by words alone: there are no vectors of the present model");
}

static int search(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    CLEANUP(freep) char *path = path_of(args, "/search");
    CLEANUP(freep) char *agent = NULL;
    const char *query = args->positional[1];
    struct client_reply reply = {0};
    int r = check_text(query, err);

    if (r == 0)
        r = find_agent_if(client, arguments_get(args, "agent"), &agent, err);
    if (r < 0)
        return r;
    json_object_object_add(body, "query", json_object_new_string(query));
    json_object_object_add(body, "limit",
                           json_object_new_int64(arguments_number(args, "limit", SEARCH_DEFAULT)));
    if (agent)
        json_object_object_add(body, "assistant_id", json_object_new_string(agent));
    r = client_post(client, path, body, &reply, err);
    if (r < 0)
        return r;
    print_found(reply.json);
    client_reply_deinit(&reply);
    return 0;
}

static void print_time(const char *name, struct json_object *memory, const char *member)
{
    char when[WHEN_SIZE];
    int64_t time = json_get_int(memory, member, 0);

    if (time == 0)
        return;
    when_format(time, false, when);
    printf("%s%s\n", name, when);
}

static void print_text(const char *name, struct json_object *object, const char *member)
{
    struct text value = json_get_text(object, member);

    if (!value.ptr)
        return;
    printf("%s", name);
    terminal_print(stdout, value);
    printf("\n");
}

static int show(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = path_of_one(args);
    struct client_reply reply = {0};
    struct json_object *source;
    int r = client_get(client, path, &reply, err);

    if (r < 0)
        return r;
    source = json_get(reply.json, "source");
    print_text("text:      ", reply.json, "text");
    print_text("kind:      ", reply.json, "kind");
    print_text("known to:  ", reply.json, "assistant_id");
    print_text("source:    ", source, "type");
    print_text("run:       ", source, "run_id");
    print_text("thread:    ", source, "thread_id");
    printf("version:   %lld\n", (long long)json_get_int(reply.json, "version", 0));
    print_time("created:   ", reply.json, "created_at");
    print_time("updated:   ", reply.json, "updated_at");
    print_time("recalled:  ", reply.json, "last_recalled_at");
    print_time("replaced:  ", reply.json, "replaced_at");
    print_text("by:        ", reply.json, "superseded_by");
    client_reply_deinit(&reply);
    return 0;
}

static int update(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    CLEANUP(freep) char *path = path_of_one(args);
    const char *text = args->positional_count > 2 ? args->positional[2] : NULL;
    const char *kind = arguments_get(args, "kind");
    struct client_reply reply = {0};
    int r = text ? check_text(text, err) : 0;

    if (r < 0)
        return r;
    if (!text && !kind)
        return error_set(err, E_INVALID, "say another TEXT, or another --kind");
    if (text)
        json_object_object_add(body, "text", json_object_new_string(text));
    if (kind)
        json_object_object_add(body, "kind", json_object_new_string(kind));
    r = client_post(client, path, body, &reply, err);
    return r < 0 ? r : print_reply(&reply);
}

static int delete (struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = args->positional_count > 1 ? path_of_one(args) : path_of(args, "");
    const struct client_call call = {.method = "DELETE", .path = path, .repeatable = true};
    struct client_reply reply = {0};
    int r;

    if (args->positional_count < 2 && !arguments_has(args, "all"))
        return error_set(err, E_INVALID, "say which MEMORY, or --all");
    r = client_send(client, &call, &reply, err);
    if (r < 0)
        return r;
    printf("removed %lld\n", (long long)json_get_int(reply.json, "removed", 1));
    client_reply_deinit(&reply);
    return 0;
}

static int run_list(const struct arguments *args)
{
    return client_command(args, list);
}

static int run_add(const struct arguments *args)
{
    return client_command(args, add);
}

static int run_search(const struct arguments *args)
{
    return client_command(args, search);
}

static int run_show(const struct arguments *args)
{
    return client_command(args, show);
}

static int run_update(const struct arguments *args)
{
    return client_command(args, update);
}

static int run_delete(const struct arguments *args)
{
    return client_command(args, delete);
}

#define KIND                                                                                       \
    {                                                                                              \
        "kind", 'k', "KIND", "fact, preference or episode", 0, 0                                   \
    }
#define AGENT(help)                                                                                \
    {                                                                                              \
        "agent", 'a', "AGENT", help, 0, 0                                                          \
    }

static const struct option_spec list_options[] = {
    KIND,
    AGENT("those that this agent (name, slug or id) alone knows"),
    {"replaced", 'r', NULL, "those that are true no more, which are kept for 30 days", 0, 0},
    {"limit", 'n', "N", "at most so many (default 100)", 1, LIST_MAX},
};

static const struct option_spec add_options_table[] = {
    KIND,
    AGENT("that this agent (name, slug or id) alone is to know it"),
};

static const struct option_spec search_options[] = {
    AGENT("what this agent (name, slug or id) knows: its own, and what all know"),
    {"limit", 'n', "N", "at most so many (default 10)", 1, SEARCH_MAX},
};

static const struct option_spec update_options[] = {KIND};

static const struct option_spec delete_options[] = {
    {"all", 0, NULL, "all memories of the user", 0, 0},
};

#define OPTIONS(table) .options = table, .options_count = ARRAY_LENGTH(table)

const struct command command_users_memories_list = {
    .name = "users memories list",
    .arguments = "USER",
    .summary = "List what is remembered of a user, the oldest first",
    OPTIONS(list_options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_list,
};

const struct command command_users_memories_add = {
    .name = "users memories add",
    .arguments = "USER TEXT",
    .summary = "Remember a sentence of a user",
    .details = "Where one says the same already, it is that one.",
    OPTIONS(add_options_table),
    .positional_min = 2,
    .positional_max = 2,
    .run = run_add,
};

const struct command command_users_memories_search = {
    .name = "users memories search",
    .arguments = "USER QUERY",
    .summary = "Find what is remembered of a user that a question is about",
    OPTIONS(search_options),
    .positional_min = 2,
    .positional_max = 2,
    .run = run_search,
};

const struct command command_users_memories_show = {
    .name = "users memories show",
    .arguments = "USER MEMORY",
    .summary = "Show a memory, and where it comes from",
    .positional_min = 2,
    .positional_max = 2,
    .run = run_show,
};

const struct command command_users_memories_update = {
    .name = "users memories update",
    .arguments = "USER MEMORY [TEXT]",
    .summary = "Correct a memory",
    .details = "What it said before is kept as history for 30 days.",
    OPTIONS(update_options),
    .positional_min = 2,
    .positional_max = 3,
    .run = run_update,
};

const struct command command_users_memories_delete = {
    .name = "users memories delete",
    .arguments = "USER [MEMORY]",
    .summary = "Forget a memory of a user, or all",
    OPTIONS(delete_options),
    .positional_min = 1,
    .positional_max = 2,
    .run = run_delete,
};
