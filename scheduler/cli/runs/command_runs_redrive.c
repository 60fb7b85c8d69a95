/* `penstock runs redrive`. */

#include <stdio.h>

#include "scheduler/cli/agents/find_agent.h"
#include "scheduler/cli/client_command.h"
#include "scheduler/cli/runs/run_view.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/store/fleet/reaper.h"

struct redriving {
    struct client *client;
    size_t redriven;
    int failures;
};

/* One that can't be redriven does not keep the others from it. */
static int redrive(struct redriving *redriving, const char *id, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    int r = run_path(id, "/redrive", &path, err);

    if (r == 0)
        r = client_post(redriving->client, path, NULL, &reply, err);
    if (r == -E_REJECTED || r == -E_NOT_FOUND) {
        terminal_complain("%s: %s", id, err->text);
        redriving->failures++;
        return 0;
    }
    if (r < 0)
        return r;
    printf("%s is %.*s\n", id, TEXT_ARGS(json_get_text(reply.json, "status")));
    client_reply_deinit(&reply);
    redriving->redriven++;
    return 0;
}

static int redrive_listed(void *arg, struct json_object *run, struct error *err)
{
    const char *id = json_get_string(run, "id");

    return id ? redrive(arg, id, err)
              : error_set(err, E_PROTOCOL, "the server's reply has no id: is it Penstock?");
}

static int redrive_poison(struct redriving *redriving, const char *agent, struct error *err)
{
    CLEANUP(freep) char *agent_id = NULL;
    CLEANUP(freep) char *path = NULL;
    struct client_walk walk = {NULL, 100000, redrive_listed, redriving};
    int r = find_agent_if(redriving->client, agent, &agent_id, err);

    if (r < 0)
        return r;
    path = xasprintf("/v1/runs?status=failed&order=asc&min_crashes=%d%s%s", CRASHES_MAX,
                     agent_id ? "&assistant_id=" : "", agent_id ? agent_id : "");
    walk.path = path;
    return client_walk(redriving->client, &walk, err);
}

static int redrive_all(struct client *client, const struct arguments *args, struct error *err)
{
    struct redriving redriving = {client, 0, 0};
    const char *agent = arguments_get(args, "agent");
    int r = 0;

    if (arguments_has(args, "poison") == (args->positional_count > 0))
        return error_set(err, E_INVALID, "give either ids of runs or --poison");
    if (agent && !arguments_has(args, "poison"))
        return error_set(err, E_INVALID, "--agent goes with --poison");
    if (arguments_has(args, "poison"))
        r = redrive_poison(&redriving, agent, err);
    for (size_t i = 0; r == 0 && i < args->positional_count; i++)
        r = redrive(&redriving, args->positional[i], err);
    if (r < 0)
        return r;
    if (redriving.redriven == 0 && redriving.failures == 0)
        printf("no run was given up%s: there is nothing to redrive\n",
               agent ? " of this agent" : "");
    return redriving.failures > 0 ? COMMAND_FAILED : COMMAND_OK;
}

static int run_redrive(const struct arguments *args)
{
    return client_command(args, redrive_all);
}

static const struct option_spec redrive_options[] = {
    {"poison", 0, NULL, "all runs that were given up after their workers failed three times", 0, 0},
    {"agent", 'a', "AGENT", "with --poison: only those of this agent (name, slug or id)", 0, 0},
};

const struct command command_runs_redrive = {
    .name = "runs redrive",
    .arguments = "[RUN...]",
    .summary = "Give runs that failed or expired another chance",
    .details =
        "A run goes on where it stopped: steps that are done are not repeated. Its thread must\n"
        "not have an active run.",
    .options = redrive_options,
    .options_count = ARRAY_LENGTH(redrive_options),
    .positional_max = ARGUMENTS_POSITIONAL_MAX,
    .run = run_redrive,
};
