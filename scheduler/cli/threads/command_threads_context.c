/* `penstock threads context`. */

#include <inttypes.h>
#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/output.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

static void print_number(struct json_object *view, const char *name)
{
    if (json_get(view, name))
        printf(", %s %" PRId64, name, json_get_int(view, name, 0));
}

static void print_range(struct json_object *range)
{
    printf("%" PRId64, json_get_int(range, "count", 0));
    if (json_get(range, "first_id"))
        printf("  %.*s … %.*s", TEXT_ARGS(json_get_text(range, "first_id")),
               TEXT_ARGS(json_get_text(range, "last_id")));
    printf("\n");
}

static void print_summary(struct json_object *summary)
{
    if (!summary)
        return;
    printf("%-20s  %" PRId64 " messages in %" PRId64 " tokens, by %.*s%s\n", "summary",
           json_get_int(summary, "message_count", 0), json_get_int(summary, "tokens", 0),
           TEXT_ARGS(json_get_text(summary, "model")),
           json_get_bool(summary, "sent", true) ? "" : ", not sent: there is no room");
}

static void print_view(struct json_object *view)
{
    struct json_object *left_out = json_get(view, "left_out");
    int64_t budget = json_get_int(view, "budget_tokens", 0);

    printf("%.*s, said by the %.*s", TEXT_ARGS(json_get_text(view, "strategy")),
           TEXT_ARGS(json_get_text(view, "from")));
    print_number(view, "max_messages");
    print_number(view, "preserve_first");
    print_number(view, "top_k");
    print_number(view, "max_tokens");
    print_number(view, "trigger_tokens");
    if (json_get_bool(view, "degraded", false))
        printf(", by words alone");
    printf("\nabout %" PRId64 " tokens", json_get_int(view, "tokens", 0));
    if (budget > 0)
        printf(" of %" PRId64, budget);
    printf("\n%-20s  ", "sent");
    print_range(json_get(view, "sent"));
    print_summary(json_get(view, "summary"));
    for (size_t i = 0; left_out && i < json_object_array_length(left_out); i++) {
        struct json_object *range = json_object_array_get_idx(left_out, i);

        printf("%-20.*s  ", TEXT_ARGS(json_get_text(range, "reason")));
        print_range(range);
    }
}

static int show_context(struct client *client, const struct arguments *args, struct error *err)
{
    const char *thread = args->positional[0];
    const char *agent = arguments_get(args, "agent");
    const char *run = arguments_get(args, "run");
    CLEANUP(freep)
    char *path = xasprintf("/v1/threads/%s/context%s%s", thread,
                           run     ? "?run_id="
                           : agent ? "?assistant_id="
                                   : "",
                           run     ? run
                           : agent ? agent
                                   : "");
    struct client_reply reply = {0};
    int r;

    if (!client_is_plain(thread))
        return error_set(err, E_INVALID, "\"%.60s\" is no id of a thread", thread);
    if (run && agent)
        return error_set(err, E_INVALID, "--agent and --run: say one of them");
    if ((run && !client_is_plain(run)) || (agent && !client_is_plain(agent)))
        return error_set(err, E_INVALID, "\"%.60s\" is no id or slug", run ? run : agent);
    r = client_get(client, path, &reply, err);
    if (r < 0)
        return r;
    if (arguments_has(args, "json"))
        printf("%.*s\n", TEXT_ARGS(json_text(reply.json)));
    else
        print_view(reply.json);
    client_reply_deinit(&reply);
    return output_check(err);
}

static int run_context(const struct arguments *args)
{
    return client_command(args, show_context);
}

static const struct option_spec options[] = {
    {"agent", 'a', "AGENT", "whose run (default: that of the thread)", 0, 0},
    {"run", 'r', "RUN", "by the settings of this run, in place of an agent's", 0, 0},
    {"json", 0, NULL, "as the API shows it", 0, 0},
};

const struct command command_threads_context = {
    .name = "threads context",
    .arguments = "THREAD",
    .summary = "Show how much of a thread a run would be given, and why not all",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_context,
};
