/* `penstock users delete`. */

#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

/* "removed 3 memory, 1 threads": what there was of it. */
static void print_removed(struct json_object *removed)
{
    struct json_object_iterator at = json_object_iter_begin(removed);
    struct json_object_iterator end = json_object_iter_end(removed);
    const char *between = "removed ";

    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        int64_t count = json_object_get_int64(json_object_iter_peek_value(&at));

        if (count == 0)
            continue;
        printf("%s%lld ", between, (long long)count);
        terminal_print(stdout, text_of(json_object_iter_peek_name(&at)));
        between = ", ";
    }
    printf("%s\n", between[0] == ',' ? "" : "removed nothing");
}

/* A server ends a request after a while; then the rest is asked for. */
static int delete_user(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *user = client_encode(args->positional[0]);
    CLEANUP(freep) char *path = xasprintf("/v1/users/%s", user);
    const struct client_call call = {.method = "DELETE", .path = path, .repeatable = true};
    bool all = false;

    while (!all) {
        struct client_reply reply = {0};
        int r = client_send(client, &call, &reply, err);

        if (r < 0)
            return r;
        all = json_get_bool(reply.json, "deleted", true);
        if (json_object_is_type(json_get(reply.json, "removed"), json_type_object))
            print_removed(json_get(reply.json, "removed"));
        client_reply_deinit(&reply);
    }
    return 0;
}

static int run_delete(const struct arguments *args)
{
    return client_command(args, delete_user);
}

const struct command command_users_delete = {
    .name = "users delete",
    .arguments = "USER",
    .summary = "Delete all that is known of a user",
    .details = "Interrupted, it can be run again and goes on where it stopped.",
    .positional_min = 1,
    .positional_max = 1,
    .run = run_delete,
};
