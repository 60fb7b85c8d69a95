/* `penstock schedules create` and `update`. */

#include <stdio.h>

#include "scheduler/cli/agents/find_agent.h"
#include "scheduler/cli/client_command.h"
#include "scheduler/cli/runs/run_body.h"
#include "scheduler/cli/schedules/find_schedule.h"
#include "scheduler/cli/schedules/schedule_view.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

/* Options that are texts of the body as they are. */
static const char *const texts[][2] = {
    {"name", "name"},         {"cron", "cron"},       {"every", "every"},
    {"at", "run_at"},         {"zone", "timezone"},   {"start", "start_at"},
    {"end", "end_at"},        {"overlap", "overlap"}, {"catch-up", "catch_up"},
    {"thread", "thread_id"},  {"on-full", "on_full"}, {"user", "user"},
    {"priority", "priority"},
};

static const char *const numbers[][2] = {
    {"jitter", "jitter"}, {"window", "catch_up_window"}, {"max-failures", "max_failures"}};

/* `agent` may be NULL. */
static int body_of(const struct arguments *args, const char *agent, struct json_object *body,
                   struct error *err)
{
    CLEANUP(json_freep) struct json_object *variables = NULL;

    if (agent)
        json_object_object_add(body, "assistant_id", json_object_new_string(agent));
    if (args->positional_count > 1)
        json_object_object_add(body, "input", json_object_new_string(args->positional[1]));
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        if (arguments_get(args, texts[i][0]))
            json_object_object_add(body, texts[i][1],
                                   json_object_new_string(arguments_get(args, texts[i][0])));
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        if (arguments_get(args, numbers[i][0]))
            json_object_object_add(body, numbers[i][1],
                                   json_object_new_int64(arguments_number(args, numbers[i][0], 0)));
    if (arguments_has(args, "lasting"))
        json_object_object_add(body, "thread", json_object_new_string("lasting"));
    if (arguments_has(args, "if-pending"))
        json_object_object_add(body, "if_pending", json_object_new_boolean(true));
    if (run_variables(args, &variables, err) < 0)
        return -E_INVALID;
    run_add_variables(body, variables);
    return 0;
}

static int create(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    CLEANUP(freep) char *agent = NULL;
    struct client_reply reply = {0};
    int r = find_agent_if(client, args->positional[0], &agent, err);

    if (r == 0)
        r = body_of(args, agent, body, err);
    if (r == 0)
        r = client_post_once(client, "/v1/schedules", body, &reply, err);
    if (r < 0)
        return r;
    schedule_print(args, reply.json);
    client_reply_deinit(&reply);
    return 0;
}

/* What says when in another way is over. */
static void replace_times(struct json_object *body)
{
    static const char *const ways[] = {"cron", "every", "run_at"};
    bool said = false;

    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++)
        said = said || json_has(body, ways[i]);
    for (size_t i = 0; said && i < ARRAY_LENGTH(ways); i++)
        if (!json_has(body, ways[i]))
            json_object_object_add(body, ways[i], NULL);
}

static int update(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    CLEANUP(freep) char *agent = NULL;
    CLEANUP(freep) char *id = NULL;
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    int r = find_schedule(client, args->positional[0], &id, err);

    if (r == 0)
        r = find_agent_if(client, arguments_get(args, "agent"), &agent, err);
    if (r == 0)
        r = body_of(args, agent, body, err);
    if (r == 0 && json_object_object_length(body) == 0)
        r = error_set(err, E_INVALID, "say what is to be changed, as by --cron or --zone");
    if (r < 0)
        return r;
    replace_times(body);
    path = xasprintf("/v1/schedules/%s", id);
    r = client_post(client, path, body, &reply, err);
    if (r < 0)
        return r;
    schedule_print(args, reply.json);
    client_reply_deinit(&reply);
    return 0;
}

static int run_create(const struct arguments *args)
{
    return client_command(args, create);
}

static int run_update(const struct arguments *args)
{
    return client_command(args, update);
}

/* clang-format off */
#define OPTIONS \
    {"cron", 'c', "EXPRESSION", "five fields, or @daily and the like", 0, 0}, \
    {"every", 'e', "INTERVAL", "15m, 1h30m, 2d", 0, 0}, \
    {"at", 0, "TIME", "once", 0, 0}, \
    {"zone", 'z', "ZONE", "an IANA name such as Europe/Berlin (default UTC)", 0, 0}, \
    {"start", 0, "TIME", "no time is earlier", 0, 0}, \
    {"end", 0, "TIME", "no time is later", 0, 0}, \
    {"jitter", 0, "SECONDS", "over which schedules are spread", 0, 86400}, \
    {"name", 0, "NAME", "of the schedule", 0, 0}, \
    {"overlap", 0, "WORD", "skip (the default), queue or cancel_running", 0, 0}, \
    {"catch-up", 0, "WORD", "none, latest (the default) or all", 0, 0}, \
    {"window", 0, "SECONDS", "what is older is missed (default 3600)", 60, 2678400}, \
    {"lasting", 0, NULL, "one thread for all runs", 0, 0}, \
    {"thread", 't', "THREAD", "this one", 0, 0}, \
    {"on-full", 0, "WORD", "new_thread (the default) or compact", 0, 0}, \
    {"max-failures", 0, "N", "in a row, then it is paused (default 10; 0: never)", 0, 1000}, \
    {"user", 'u', "USER", "who asks", 0, 0}, \
    {"priority", 0, "WORD", "high, normal or low", 0, 0}, \
    {"if-pending", 0, NULL, "no model is called where nothing is new on the thread", 0, 0}, \
    OPTION_VARIABLES, \
    {"json", 0, NULL, "as the API shows it", 0, 0}

/* clang-format on */
static const struct option_spec create_options[] = {OPTIONS};

static const struct option_spec update_options[] = {
    {"agent", 'a', "AGENT", "another agent: a name, a slug or an id", 0, 0},
    OPTIONS,
};

const struct command command_schedules_create = {
    .name = "schedules create",
    .arguments = "AGENT [INPUT]",
    .summary = "Run an agent at times",
    .details =
        "AGENT is a name, a slug or an id. One of --cron, --every and --at says when. INPUT is\n"
        "a template with places for {{fire_time}}, {{last_fire_time}}, {{last_result}} and\n"
        "{{schedule_name}}; without it the agent's task_instructions are told.",
    .options = create_options,
    .options_count = ARRAY_LENGTH(create_options),
    .positional_min = 1,
    .positional_max = 2,
    .run = run_create,
};

const struct command command_schedules_update = {
    .name = "schedules update",
    .arguments = "SCHEDULE [INPUT]",
    .summary = "Change a schedule; what is not said stays as it is",
    .details = "SCHEDULE is an id or a name. One of --cron, --every and --at replaces another.",
    .options = update_options,
    .options_count = ARRAY_LENGTH(update_options),
    .positional_min = 1,
    .positional_max = 2,
    .run = run_update,
};
