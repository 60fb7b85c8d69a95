/* A command's client. */

#include "scheduler/cli/client_command.h"

#include "shared/base/error.h"

struct call {
    const struct arguments *args;
    client_fn fn;
};

static int with_client(void *arg)
{
    const struct call *call = arg;
    struct client client;
    struct error err;
    int r = client_open(&client, &err);

    if (r == 0)
        r = call->fn(&client, call->args, &err);
    client_close(&client);
    return r < 0 ? command_fail(&err) : r;
}

int client_command(const struct arguments *args, client_fn fn)
{
    struct call call = {args, fn};

    return command_on_loop(with_client, &call);
}
