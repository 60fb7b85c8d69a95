/* `penstock users memory`: what is known of a user, of all agents or, with --agent, of one alone.
 */

#include <stdio.h>

#include "scheduler/cli/agents/find_agent.h"
#include "scheduler/cli/client_command.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

#define KEYS_MAX 100000

/* The path of the user's memory, or of a key of it (NULL: all), with the agent. Returns 0 with *out
 * (the caller's), or what finding the agent failed with. */
static int memory_path(struct client *client, const struct arguments *args, const char *key,
                       char **out, struct error *err)
{
    CLEANUP(freep) char *user = client_encode(args->positional[0]);
    CLEANUP(freep) char *encoded = client_encode(key ? key : "");
    CLEANUP(freep) char *agent_id = NULL;
    const char *agent = arguments_get(args, "agent");
    int r = find_agent_if(client, agent, &agent_id, err);

    if (r == 0)
        *out = xasprintf("/v1/users/%s/memory%s%s%s%s", user, key ? "/" : "", encoded,
                         agent_id ? "?assistant_id=" : "", agent_id ? agent_id : "");
    return r;
}

/* A call on one key, or on all (NULL). */
static int call_memory(struct client *client, const struct arguments *args, const char *key,
                       struct client_call call, struct client_reply *out, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    int r = memory_path(client, args, key, &path, err);

    if (r < 0)
        return r;
    call.path = path;
    call.repeatable = true;
    return client_send(client, &call, out, err);
}

/* "key: value", the value as JSON in one line. */
static int print_item(void *arg, struct json_object *item, struct error *err)
{
    (void)arg;
    (void)err;
    terminal_print(stdout, json_get_text(item, "key"));
    printf(": ");
    terminal_print(stdout, json_text(json_get(item, "value")));
    printf("\n");
    return 0;
}

static int list_memory(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    struct client_walk walk = {NULL, KEYS_MAX, print_item, NULL};
    int r = memory_path(client, args, NULL, &path, err);

    if (r < 0)
        return r;
    walk.path = path;
    return client_walk(client, &walk, err);
}

static int get_memory(struct client *client, const struct arguments *args, struct error *err)
{
    struct client_reply reply = {0};
    int r = call_memory(client, args, args->positional[1], (struct client_call){.method = "GET"},
                        &reply, err);

    if (r < 0)
        return r;
    terminal_print(stdout, json_text(json_get(reply.json, "value")));
    printf("\n");
    client_reply_deinit(&reply);
    return 0;
}

/* {"value": …}: JSON where it is some, else the text itself. */
static void write_value(const char *given, struct buf *out)
{
    CLEANUP(json_freep) struct json_object *value = NULL;
    bool is_json = json_decode(text_of(given), JSON_DEPTH_DEFAULT, &value, NULL) == 0;

    buf_add_string(out, "{\"value\":");
    if (is_json)
        json_encode(out, value);
    else
        buf_add_json(out, text_of(given));
    buf_add_char(out, '}');
}

static int set_memory(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(buf_deinit) struct buf body;
    struct client_reply reply = {0};
    struct client_call call = {.method = "PUT"};
    int r;

    buf_init(&body, 0);
    if (!text_is_utf8(text_of(args->positional[2])))
        return error_set(err, E_INVALID, "the value is no UTF-8");
    write_value(args->positional[2], &body);
    call.body = buf_text(&body);
    r = call_memory(client, args, args->positional[1], call, &reply, err);
    if (r == 0)
        r = print_item(NULL, reply.json, err);
    client_reply_deinit(&reply);
    return r;
}

static int delete_memory(struct client *client, const struct arguments *args, struct error *err)
{
    const char *key = args->positional_count > 1 ? args->positional[1] : NULL;
    struct client_reply reply = {0};
    int r = call_memory(client, args, key, (struct client_call){.method = "DELETE"}, &reply, err);

    if (r < 0)
        return r;
    printf("removed %lld\n", (long long)json_get_int(reply.json, "removed", 0));
    client_reply_deinit(&reply);
    return 0;
}

static int run_list(const struct arguments *args)
{
    return client_command(args, list_memory);
}

static int run_get(const struct arguments *args)
{
    return client_command(args, get_memory);
}

static int run_set(const struct arguments *args)
{
    return client_command(args, set_memory);
}

static int run_delete(const struct arguments *args)
{
    return client_command(args, delete_memory);
}

static const struct option_spec memory_options[] = {
    {"agent", 'a', "AGENT", "what this agent (name, slug or id) alone knows", 0, 0},
};

const struct command command_users_memory_list = {
    .name = "users memory list",
    .arguments = "USER",
    .summary = "List what is known of a user",
    .options = memory_options,
    .options_count = ARRAY_LENGTH(memory_options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_list,
};

const struct command command_users_memory_get = {
    .name = "users memory get",
    .arguments = "USER KEY",
    .summary = "Print what is known of a user under a key, as JSON",
    .options = memory_options,
    .options_count = ARRAY_LENGTH(memory_options),
    .positional_min = 2,
    .positional_max = 2,
    .run = run_get,
};

const struct command command_users_memory_set = {
    .name = "users memory set",
    .arguments = "USER KEY VALUE",
    .summary = "Set what is known of a user under a key",
    .details = "VALUE is JSON; what is none is taken as a text.",
    .options = memory_options,
    .options_count = ARRAY_LENGTH(memory_options),
    .positional_min = 3,
    .positional_max = 3,
    .run = run_set,
};

const struct command command_users_memory_delete = {
    .name = "users memory delete",
    .arguments = "USER [KEY]",
    .summary = "Forget what is known of a user, under one key or all",
    .options = memory_options,
    .options_count = ARRAY_LENGTH(memory_options),
    .positional_min = 1,
    .positional_max = 2,
    .run = run_delete,
};
