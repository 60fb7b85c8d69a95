/* `penstock runs cancel`. */

#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/runs/run_view.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

static int cancel(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    int r = run_path(args->positional[0], "/cancel", &path, err);

    if (r == 0)
        r = client_post(client, path, NULL, &reply, err);
    if (r < 0)
        return r;
    printf("%s is %.*s\n", args->positional[0], TEXT_ARGS(json_get_text(reply.json, "status")));
    client_reply_deinit(&reply);
    return 0;
}

static int run_cancel(const struct arguments *args)
{
    return client_command(args, cancel);
}

const struct command command_runs_cancel = {
    .name = "runs cancel",
    .arguments = "RUN",
    .summary = "Cancel a run",
    .positional_min = 1,
    .positional_max = 1,
    .run = run_cancel,
};
