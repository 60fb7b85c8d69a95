/* `penstock threads archive`. */

#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/output.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

static int archive_one(struct client *client, const char *thread, bool undo, struct error *err)
{
    CLEANUP(freep)
    char *path = xasprintf("/v1/threads/%s/%s", thread, undo ? "restore" : "archive");
    struct client_reply reply = {0};
    int r;

    if (!client_is_plain(thread))
        return error_set(err, E_INVALID, "\"%.60s\" is no id of a thread", thread);
    r = client_post(client, path, NULL, &reply, err);
    if (r < 0)
        return r;
    client_reply_deinit(&reply);
    printf("%s is %s\n", thread, undo ? "not archived" : "archived");
    return output_check(err);
}

static int archive(struct client *client, const struct arguments *args, struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < args->positional_count; i++)
        r = archive_one(client, args->positional[i], arguments_has(args, "undo"), err);
    return r;
}

static int run_archive(const struct arguments *args)
{
    return client_command(args, archive);
}

static const struct option_spec options[] = {
    {"undo", 0, NULL, "bring them back", 0, 0},
};

const struct command command_threads_archive = {
    .name = "threads archive",
    .arguments = "THREAD...",
    .summary = "Put threads away, so that lists leave them out",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .positional_min = 1,
    .positional_max = ARGUMENTS_POSITIONAL_MAX,
    .run = run_archive,
};
