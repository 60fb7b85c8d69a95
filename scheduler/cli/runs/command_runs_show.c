/* `penstock runs show`. */

#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/money.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/runs/run_view.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/store/runs/run_state.h"

static void print_fact(const char *name, struct text value)
{
    printf("%-12s", name);
    terminal_print_line(stdout, value, 200);
    printf("\n");
}

/* Its end is still to come, and there is a time by which it does. */
static bool may_expire(struct json_object *run)
{
    enum run_status status;

    return json_get_int(run, "expires_at", 0) > 0 &&
           run_status_parse(json_get_text(run, "status"), &status) && !run_status_terminal(status);
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
    char time[WHEN_SIZE];

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        print_fact(texts[i].name, json_get_text(run, texts[i].field));
    for (size_t i = 0; i < ARRAY_LENGTH(times); i++)
        if (json_get(run, times[i].field)) {
            when_format(json_get_int(run, times[i].field, 0), true, time);
            print_fact(times[i].name, text_of(time));
        }
    if (may_expire(run)) {
        when_format(json_get_int(run, "expires_at", 0), true, time);
        print_fact("expires", text_of(time));
    }
    if (run_took_seconds(run) >= 0) {
        when_format_span(run_took_seconds(run), time);
        print_fact("took", text_of(time));
    }
    if (json_get_int(run, "crashes", 0) > 0)
        printf("%-12s%lld (workers died that had it in work)\n", "crashes",
               (long long)json_get_int(run, "crashes", 0));
    if (usage)
        printf("%-12s%lld in, %lld out\n", "tokens",
               (long long)json_get_int(usage, "prompt_tokens", 0),
               (long long)json_get_int(usage, "completion_tokens", 0));
    if (json_get_int(run, "cost_micros", 0) > 0) {
        char cost[MONEY_SIZE];

        money_format(json_get_int(run, "cost_micros", 0), cost);
        print_fact("cost", text_of(cost));
    }
}

/* "the run is queued" and what for. */
SUSPENDS static void run_add_wait(struct client *client, struct json_object *run, struct buf *why)
{
    CLEANUP(buf_deinit) struct buf reason = {0};

    buf_init(&reason, 0);
    run_explain_wait(client, run, &reason);
    if (reason.len > 0)
        buf_printf(why, ": %.*s", TEXT_ARGS(buf_text(&reason)));
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
        run_add_wait(client, reply.json, &why);
        if (why.len > 0)
            print_fact("outcome", buf_text(&why));
        IGNORE(run_print_problems(stdout, reply.json));
        printf("\n");
        r = run_print_transcript(client, thread, args->positional[0], stdout, err);
    }
    client_reply_deinit(&reply);
    return r;
}

static int run_show(const struct arguments *args)
{
    return client_command(args, show_one_run);
}

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
