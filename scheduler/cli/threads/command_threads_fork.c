/* `penstock threads fork`. */

#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/output.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

static void add_member(struct json_object *body, const char *name, const char *value)
{
    if (value)
        json_object_object_add(body, name, json_object_new_string(value));
}

static int fork_thread(struct client *client, const struct arguments *args, struct error *err)
{
    const char *thread = args->positional[0];
    CLEANUP(freep) char *path = xasprintf("/v1/threads/%s/fork", thread);
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    struct client_reply reply = {0};
    int r;

    if (!client_is_plain(thread))
        return error_set(err, E_INVALID, "\"%.60s\" is no id of a thread", thread);
    add_member(body, "message_id", arguments_get(args, "message"));
    add_member(body, "title", arguments_get(args, "title"));
    r = client_post_once(client, path, body, &reply, err);
    if (r < 0)
        return r;
    printf("%.*s\n", TEXT_ARGS(json_get_text(reply.json, "id")));
    client_reply_deinit(&reply);
    return output_check(err);
}

static int run_fork(const struct arguments *args)
{
    return client_command(args, fork_thread);
}

static const struct option_spec options[] = {
    {"message", 'm', "MESSAGE", "the last one of the copy (default: all)", 0, 0},
    {"title", 't', "TITLE", "of the copy (default: that of the thread)", 0, 0},
};

const struct command command_threads_fork = {
    .name = "threads fork",
    .arguments = "THREAD",
    .summary = "Copy a thread, up to and with a message, and print the copy's id",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_fork,
};
