/* `penstock runs approve` and `penstock runs deny`. Where no call is named it is the one that the
 * run waits for an approval of; of several one has to be named, so that nobody allows what he has
 * not seen. */

#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/runs/run_view.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

static int find_call(struct client *client, const char *run, char **out, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    struct text id = TEXT_NONE;
    size_t count = 0;
    int r = run_path(run, "", &path, err);

    if (r == 0)
        r = client_get(client, path, &reply, err);
    if (r < 0)
        return r;
    for (size_t i = 0; run_approval_at(reply.json, i, &id); i++)
        count++;
    if (count == 1)
        *out = xasprintf("%.*s", TEXT_ARGS(id));
    else if (count == 0)
        r = error_set(err, E_INVALID, "%s waits for no approval; it is %.*s", run,
                      TEXT_ARGS(json_get_text(reply.json, "status")));
    else
        r = error_set(err, E_INVALID,
                      "%s waits for %zu approvals: name the call, as penstock runs show lists them",
                      run, count);
    client_reply_deinit(&reply);
    return r;
}

static int add_arguments(const struct arguments *args, struct json_object *body, struct error *err)
{
    const char *said = arguments_get(args, "arguments");
    struct json_object *arguments = NULL;

    if (!said)
        return 0;
    if (json_decode(text_of(said), JSON_DEPTH_DEFAULT, &arguments, err) < 0)
        return error_wrap(err, "--arguments");
    json_object_object_add(body, "arguments", arguments);
    return 0;
}

static void add(const struct arguments *args, const char *option, struct json_object *body)
{
    const char *said = arguments_get(args, option);

    if (said)
        json_object_object_add(body, option, json_object_new_string(said));
}

static int decide(struct client *client, const struct arguments *args, bool allows,
                  struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    CLEANUP(freep) char *path = NULL;
    CLEANUP(freep) char *found = NULL;
    const char *run = args->positional[0];
    const char *call = args->positional_count > 1 ? args->positional[1] : NULL;
    struct client_reply reply = {0};
    int r = call ? 0 : find_call(client, run, &found, err);

    if (r == 0)
        r = run_path(run, allows ? "/approve" : "/deny", &path, err);
    if (r == 0 && allows)
        r = add_arguments(args, body, err);
    if (r < 0)
        return r;
    json_object_object_add(body, "tool_call_id", json_object_new_string(call ? call : found));
    add(args, "note", body);
    add(args, "user", body);
    r = client_post(client, path, body, &reply, err);
    if (r < 0)
        return r;
    printf("%s is %.*s\n", run, TEXT_ARGS(json_get_text(reply.json, "status")));
    client_reply_deinit(&reply);
    return 0;
}

static int approve(struct client *client, const struct arguments *args, struct error *err)
{
    return decide(client, args, true, err);
}

static int deny(struct client *client, const struct arguments *args, struct error *err)
{
    return decide(client, args, false, err);
}

static int run_approve(const struct arguments *args)
{
    return client_command(args, approve);
}

static int run_deny(const struct arguments *args)
{
    return client_command(args, deny);
}

static const struct option_spec approve_options[] = {
    {"note", 0, "TEXT", "kept with the decision", 0, 0},
    {"user", 0, "NAME", "who decides, kept with it", 0, 0},
    {"arguments", 0, "JSON", "arguments in place of the model's, which is told so", 0, 0},
};

static const struct option_spec deny_options[] = {
    {"note", 0, "TEXT", "why: the model is told", 0, 0},
    {"user", 0, "NAME", "who decides, kept with it", 0, 0},
};

const struct command command_runs_approve = {
    .name = "runs approve",
    .arguments = "RUN [CALL]",
    .summary = "Allow a call that a run waits for",
    .details = "CALL is the id of the call; it may be left out where the run waits for one "
               "approval alone.",
    .options = approve_options,
    .options_count = ARRAY_LENGTH(approve_options),
    .positional_min = 1,
    .positional_max = 2,
    .run = run_approve,
};

const struct command command_runs_deny = {
    .name = "runs deny",
    .arguments = "RUN [CALL]",
    .summary = "Deny a call that a run waits for",
    .details = "CALL is the id of the call; it may be left out where the run waits for one "
               "approval alone.",
    .options = deny_options,
    .options_count = ARRAY_LENGTH(deny_options),
    .positional_min = 1,
    .positional_max = 2,
    .run = run_deny,
};
