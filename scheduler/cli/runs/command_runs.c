/* `penstock runs list|show|cancel|redrive` and `penstock threads show`. */

#include <stdio.h>
#include <time.h>

#include "scheduler/cli/client.h"
#include "scheduler/cli/command.h"
#include "scheduler/cli/runs/run_view.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/store/fleet/reaper.h"

typedef int (*client_fn)(struct client *client, const struct arguments *args, struct error *err);

struct client_command {
    const struct arguments *args;
    client_fn fn;
};

static int with_client(void *arg)
{
    const struct client_command *command = arg;
    struct client client;
    struct error err;
    int r = client_open(&client, &err);

    if (r == 0)
        r = command->fn(&client, command->args, &err);
    client_close(&client);
    return r < 0 ? command_fail(&err) : r;
}

static int run_with_client(const struct arguments *args, client_fn fn)
{
    struct client_command command = {args, fn};

    return command_on_loop(with_client, &command);
}

static void format_time(int64_t seconds, char out[32])
{
    time_t time = (time_t)seconds;
    struct tm local;

    if (seconds <= 0 || !localtime_r(&time, &local) ||
        strftime(out, 32, "%Y-%m-%d %H:%M:%S", &local) == 0)
        (void)snprintf(out, 32, "-");
}

static enum terminal_colour status_colour(struct text status)
{
    if (text_is(status, "completed"))
        return TERMINAL_GREEN;
    if (text_is(status, "failed") || text_is(status, "expired") || text_is(status, "incomplete"))
        return TERMINAL_RED;
    return text_is(status, "cancelled") ? TERMINAL_DIM : TERMINAL_YELLOW;
}

static int list_one(void *arg, struct json_object *run, struct error *err)
{
    const struct arguments *args = arg;
    struct text status = json_get_text(run, "status");
    struct json_object *usage = json_get(run, "usage");
    char created[32];

    (void)err;
    if (arguments_has(args, "json")) {
        printf("%.*s\n", TEXT_ARGS(json_text(run)));
        return 0;
    }
    format_time(json_get_int(run, "created_at", 0), created);
    printf("%.*s  %s%-15.*s%s  %s  %8lld  ", TEXT_ARGS(json_get_text(run, "id")),
           terminal_colour(stdout, status_colour(status)), TEXT_ARGS(status),
           terminal_colour(stdout, TERMINAL_PLAIN), created,
           (long long)json_get_int(usage, "total_tokens", 0));
    terminal_print_line(stdout, json_get_text(run, "model"), 40);
    printf("\n");
    return 0;
}

static int list(struct client *client, const struct arguments *args, struct error *err)
{
    const char *status = arguments_get(args, "status");
    CLEANUP(freep)
    char *path = xasprintf("/v1/runs%s%s", status ? "?status=" : "", status ? status : "");
    const struct client_walk walk = {path, (size_t)arguments_number(args, "limit", 20), list_one,
                                     (void *)args};

    if (status && !client_is_plain(status))
        return error_set(err, E_INVALID, "there is no status \"%.40s\"", status);
    if (!arguments_has(args, "json"))
        printf("%-36s  %-15s  %-19s  %8s  %s\n", "RUN", "STATUS", "CREATED", "TOKENS", "MODEL");
    return client_walk(client, &walk, err);
}

static int run_list(const struct arguments *args)
{
    return run_with_client(args, list);
}

/* "/v1/runs/ID…", the caller's. */
static int run_path(const char *id, const char *suffix, char **out, struct error *err)
{
    if (!client_is_plain(id))
        return error_set(err, E_INVALID, "\"%.60s\" is no id of a run", id);
    *out = xasprintf("/v1/runs/%s%s", id, suffix);
    return 0;
}

static void print_fact(const char *name, struct text value)
{
    printf("%-12s", name);
    terminal_print_line(stdout, value, 200);
    printf("\n");
}

static void print_run(struct json_object *run)
{
    static const struct {
        const char *name;
        const char *field;
    } texts[] = {{"run", "id"},
                 {"thread", "thread_id"},
                 {"agent", "assistant_id"},
                 {"status", "status"},
                 {"model", "model"}},
      times[] = {{"created", "created_at"},
                 {"started", "started_at"},
                 {"completed", "completed_at"},
                 {"failed", "failed_at"},
                 {"cancelled", "cancelled_at"}};
    struct json_object *usage = json_get(run, "usage");
    char time[32];

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        print_fact(texts[i].name, json_get_text(run, texts[i].field));
    for (size_t i = 0; i < ARRAY_LENGTH(times); i++)
        if (json_get(run, times[i].field)) {
            format_time(json_get_int(run, times[i].field, 0), time);
            print_fact(times[i].name, text_of(time));
        }
    if (usage)
        printf("%-12s%lld in, %lld out\n", "tokens",
               (long long)json_get_int(usage, "prompt_tokens", 0),
               (long long)json_get_int(usage, "completion_tokens", 0));
}

static int show_one_run(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(buf_deinit) struct buf why = {0};
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    const char *thread;
    int r = run_path(args->positional[0], "", &path, err);

    buf_init(&why, 0);
    if (r == 0)
        r = client_get(client, path, &reply, err);
    if (r < 0)
        return r;
    thread = json_get_string(reply.json, "thread_id");
    if (arguments_has(args, "json")) {
        printf("%.*s\n", TEXT_ARGS(json_text(reply.json)));
    } else if (!thread || !client_is_plain(thread)) {
        r = error_set(err, E_PROTOCOL, "the server's reply has no thread: is it Penstock?");
    } else {
        print_run(reply.json);
        run_explain(reply.json, &why);
        if (why.len > 0)
            print_fact("outcome", buf_text(&why));
        printf("\n");
        r = run_print_transcript(client, thread, args->positional[0], stdout, err);
    }
    client_reply_deinit(&reply);
    return r;
}

static int run_show(const struct arguments *args)
{
    return run_with_client(args, show_one_run);
}

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
    return run_with_client(args, cancel);
}

struct redriving {
    struct client *client;
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
        (void)fprintf(stderr, "%s: %s\n", id, err->text);
        redriving->failures++;
        return 0;
    }
    if (r < 0)
        return r;
    printf("%s is %.*s\n", id, TEXT_ARGS(json_get_text(reply.json, "status")));
    client_reply_deinit(&reply);
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
    int r = agent ? run_find_agent(redriving->client, agent, &agent_id, err) : 0;

    if (r < 0)
        return r;
    path = xasprintf("/v1/runs?status=failed&order=asc&min_crashes=%d%s%s", CRASHES_MAX,
                     agent_id ? "&assistant_id=" : "", agent_id ? agent_id : "");
    walk.path = path;
    return client_walk(redriving->client, &walk, err);
}

static int redrive_all(struct client *client, const struct arguments *args, struct error *err)
{
    struct redriving redriving = {client, 0};
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
    return redriving.failures > 0 ? COMMAND_FAILED : COMMAND_OK;
}

static int run_redrive(const struct arguments *args)
{
    return run_with_client(args, redrive_all);
}

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
    return run_with_client(args, show_thread);
}

static const struct option_spec list_options[] = {
    {"status", 's', "STATUS", "only runs in this state (queued, in_progress, failed, ...)", 0, 0},
    {"limit", 'n', "N", "how many, the newest first (default 20)", 1, 100000},
    {"json", 0, NULL, "one JSON object a line", 0, 0},
};

const struct command command_runs_list = {
    .name = "runs list",
    .arguments = "",
    .summary = "List runs, the newest first",
    .options = list_options,
    .options_count = ARRAY_LENGTH(list_options),
    .run = run_list,
};

static const struct option_spec show_options[] = {
    {"json", 0, NULL, "the run as the API gives it", 0, 0},
};

const struct command command_runs_show = {
    .name = "runs show",
    .arguments = "RUN",
    .summary = "Show a run: its state, tool calls and answer",
    .options = show_options,
    .options_count = ARRAY_LENGTH(show_options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_show,
};

const struct command command_runs_cancel = {
    .name = "runs cancel",
    .arguments = "RUN",
    .summary = "Cancel a run",
    .positional_min = 1,
    .positional_max = 1,
    .run = run_cancel,
};

static const struct option_spec redrive_options[] = {
    {"poison", 0, NULL, "all runs that were given up after their workers failed three times", 0, 0},
    {"agent", 'a', "AGENT", "with --poison: only those of this agent (name or id)", 0, 0},
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

const struct command command_threads_show = {
    .name = "threads show",
    .arguments = "THREAD",
    .summary = "Show the messages of a thread",
    .positional_min = 1,
    .positional_max = 1,
    .run = run_threads_show,
};
