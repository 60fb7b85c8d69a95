/* `penstock schedules list`, `show`, `pause`, `resume`, `run`, `backfill`, `firings` and
 * `delete`. */

#include <inttypes.h>
#include <stdio.h>

#include "scheduler/cli/agents/find_agent.h"
#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/print_list.h"
#include "scheduler/cli/schedules/find_schedule.h"
#include "scheduler/cli/schedules/schedule_view.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

enum { LIMIT_DEFAULT = 20, LIMIT_MAX = 100000 };

/* ---- lists ---- */

static void add_member(struct buf *path, const char *name, const char *value)
{
    CLEANUP(freep) char *encoded = value ? client_encode(value) : NULL;

    if (encoded)
        buf_printf(path, "&%s=%s", name, encoded);
}

static int list(struct client *client, const struct arguments *args, struct error *err)
{
    const struct print_list printed = {
        .args = args, .head = schedule_print_head, .row = schedule_print_row};
    CLEANUP(buf_deinit) struct buf path = {0};
    CLEANUP(freep) char *agent = NULL;
    int r = find_agent_if(client, arguments_get(args, "agent"), &agent, err);

    if (r < 0)
        return r;
    buf_init(&path, 0);
    buf_add_string(&path, "/v1/schedules?order=desc");
    add_member(&path, "assistant_id", agent);
    add_member(&path, "user", arguments_get(args, "user"));
    add_member(&path, "state", arguments_get(args, "state"));
    return print_list(client, &printed, buf_string(&path),
                      (size_t)arguments_number(args, "limit", LIMIT_DEFAULT), err);
}

/* "/v1/schedules/ID" and what is behind it. */
static int path_of(struct client *client, const struct arguments *args, const char *behind,
                   char **out, struct error *err)
{
    CLEANUP(freep) char *id = NULL;
    int r = find_schedule(client, args->positional[0], &id, err);

    if (r == 0)
        *out = xasprintf("/v1/schedules/%s%s", id, behind);
    return r;
}

static int firings(struct client *client, const struct arguments *args, struct error *err)
{
    const struct print_list printed = {
        .args = args, .head = firing_print_head, .row = firing_print_row, .without_agents = true};
    CLEANUP(freep) char *path = NULL;
    int r = path_of(client, args, "/firings?order=desc", &path, err);

    return r < 0 ? r
                 : print_list(client, &printed, path,
                              (size_t)arguments_number(args, "limit", LIMIT_DEFAULT), err);
}

/* ---- one ---- */

static int show(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    int r = path_of(client, args, "", &path, err);

    if (r == 0)
        r = client_get(client, path, &reply, err);
    if (r < 0)
        return r;
    schedule_print(args, reply.json);
    client_reply_deinit(&reply);
    return 0;
}

static int post_and_show(struct client *client, const struct arguments *args, const char *behind,
                         struct json_object *body, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    int r = path_of(client, args, behind, &path, err);

    if (r == 0)
        r = client_post(client, path, body, &reply, err);
    if (r < 0)
        return r;
    schedule_print(args, reply.json);
    client_reply_deinit(&reply);
    return 0;
}

static int pause_it(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    const char *reason = arguments_get(args, "reason");

    if (reason)
        json_object_object_add(body, "reason", json_object_new_string(reason));
    return post_and_show(client, args, "/pause", body, err);
}

static int resume_it(struct client *client, const struct arguments *args, struct error *err)
{
    return post_and_show(client, args, "/resume", NULL, err);
}

static int run_it(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    int r = path_of(client, args, "/run", &path, err);

    if (r == 0)
        r = client_post_once(client, path, NULL, &reply, err);
    if (r < 0)
        return r;
    if (arguments_has(args, "json"))
        printf("%.*s\n", TEXT_ARGS(json_text(reply.json)));
    else
        printf("%.*s\n", TEXT_ARGS(json_get_text(reply.json, "run_id")));
    client_reply_deinit(&reply);
    return 0;
}

static int backfill(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    int64_t count;
    int r = path_of(client, args, "/backfill", &path, err);

    json_object_object_add(body, "from", json_object_new_string(args->positional[1]));
    json_object_object_add(body, "to", json_object_new_string(args->positional[2]));
    if (r == 0)
        r = client_post(client, path, body, &reply, err);
    if (r < 0)
        return r;
    count = json_get_int(reply.json, "firings", 0);
    if (count == 0)
        printf("nothing is run: no time of it lies there that had no run yet\n");
    else if (count == 1)
        printf("1 time is run\n");
    else
        printf("%" PRId64 " times are run, one after the other\n", count);
    client_reply_deinit(&reply);
    return 0;
}

static int delete_it(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    int r = path_of(client, args, "", &path, err);
    const struct client_call call = {.method = "DELETE", .path = path, .repeatable = true};

    if (r == 0)
        r = client_send(client, &call, &reply, err);
    if (r < 0)
        return r;
    printf("deleted %.*s\n", TEXT_ARGS(json_get_text(reply.json, "id")));
    client_reply_deinit(&reply);
    return 0;
}

/* ---- the commands ---- */

static int run_list(const struct arguments *args)
{
    return client_command(args, list);
}

static int run_firings(const struct arguments *args)
{
    return client_command(args, firings);
}

static int run_show(const struct arguments *args)
{
    return client_command(args, show);
}

static int run_pause(const struct arguments *args)
{
    return client_command(args, pause_it);
}

static int run_resume(const struct arguments *args)
{
    return client_command(args, resume_it);
}

static int run_run(const struct arguments *args)
{
    return client_command(args, run_it);
}

static int run_backfill(const struct arguments *args)
{
    return client_command(args, backfill);
}

static int run_delete(const struct arguments *args)
{
    return client_command(args, delete_it);
}

static const struct option_spec list_options[] = {
    {"agent", 'a', "AGENT", "only those of this agent: a name, a slug or an id", 0, 0},
    {"user", 'u', "USER", "only those of this user", 0, 0},
    {"state", 's', "STATE", "only those that are active, paused or ended", 0, 0},
    {"limit", 'n', "N", "how many, the newest first (default 20)", 1, LIMIT_MAX},
    {"json", 0, NULL, "one JSON object a line", 0, 0},
};

static const struct option_spec firings_options[] = {
    {"limit", 'n', "N", "how many, the newest first (default 20)", 1, LIMIT_MAX},
    {"json", 0, NULL, "one JSON object a line", 0, 0},
};

static const struct option_spec one_options[] = {
    {"json", 0, NULL, "as the API shows it", 0, 0},
};

static const struct option_spec pause_options[] = {
    {"reason", 'r', "TEXT", "for who looks at it later", 0, 0},
    {"json", 0, NULL, "as the API shows it", 0, 0},
};

#define ONE .positional_min = 1, .positional_max = 1

const struct command command_schedules_list = {
    .name = "schedules list",
    .arguments = "",
    .summary = "List schedules, the newest first",
    .options = list_options,
    .options_count = ARRAY_LENGTH(list_options),
    .run = run_list,
};

const struct command command_schedules_show = {
    .name = "schedules show",
    .arguments = "SCHEDULE",
    .summary = "Show a schedule, and when it fires next",
    .details = "SCHEDULE is an id or a name, here and in the other commands.",
    .options = one_options,
    .options_count = ARRAY_LENGTH(one_options),
    ONE,
    .run = run_show,
};

const struct command command_schedules_pause = {
    .name = "schedules pause",
    .arguments = "SCHEDULE",
    .summary = "Pause a schedule; a run that is at work goes on",
    .options = pause_options,
    .options_count = ARRAY_LENGTH(pause_options),
    ONE,
    .run = run_pause,
};

const struct command command_schedules_resume = {
    .name = "schedules resume",
    .arguments = "SCHEDULE",
    .summary = "Resume a schedule; what it missed is caught up as it says",
    .options = one_options,
    .options_count = ARRAY_LENGTH(one_options),
    ONE,
    .run = run_resume,
};

const struct command command_schedules_run = {
    .name = "schedules run",
    .arguments = "SCHEDULE",
    .summary = "Run a schedule now, and print the id of its run",
    .options = one_options,
    .options_count = ARRAY_LENGTH(one_options),
    ONE,
    .run = run_run,
};

const struct command command_schedules_backfill = {
    .name = "schedules backfill",
    .arguments = "SCHEDULE FROM TO",
    .summary = "Run a schedule for times that are past",
    .details =
        "Those behind FROM, up to and with TO, one after the other; at most 1,000. Times are\n"
        "as in RFC 3339; without an offset they are those of the schedule's zone.",
    .positional_min = 3,
    .positional_max = 3,
    .run = run_backfill,
};

const struct command command_schedules_firings = {
    .name = "schedules firings",
    .arguments = "SCHEDULE",
    .summary = "List what became of a schedule's times, the newest first",
    .options = firings_options,
    .options_count = ARRAY_LENGTH(firings_options),
    ONE,
    .run = run_firings,
};

const struct command command_schedules_delete = {
    .name = "schedules delete",
    .arguments = "SCHEDULE",
    .summary = "Delete a schedule with its history; its runs stay",
    ONE,
    .run = run_delete,
};
