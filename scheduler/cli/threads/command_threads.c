/* `penstock threads show`. */

#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/runs/run_view.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

static int show_message(void *arg, struct json_object *message, struct error *err)
{
    (void)arg;
    (void)err;
    run_print_message(stdout, message);
    return 0;
}

static int show_thread(struct client *client, const struct arguments *args, struct error *err)
{
    const char *thread = args->positional[0];
    CLEANUP(freep) char *path = xasprintf("/v1/threads/%s/messages?order=asc", thread);
    const struct client_walk walk = {path, 100000, show_message, NULL};

    if (!client_is_plain(thread))
        return error_set(err, E_INVALID, "\"%.60s\" is no id of a thread", thread);
    return client_walk(client, &walk, err);
}

static int run_threads_show(const struct arguments *args)
{
    return client_command(args, show_thread);
}

const struct command command_threads_show = {
    .name = "threads show",
    .arguments = "THREAD",
    .summary = "Show the messages of a thread",
    .positional_min = 1,
    .positional_max = 1,
    .run = run_threads_show,
};
