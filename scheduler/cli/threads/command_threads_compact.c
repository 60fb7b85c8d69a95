/* `penstock threads compact`. */

#include <inttypes.h>
#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/output.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

static void make_body(const struct arguments *args, struct json_object *body)
{
    const char *model = arguments_get(args, "model");
    const char *agent = arguments_get(args, "agent");

    if (model)
        json_object_object_add(body, "model", json_object_new_string(model));
    if (agent)
        json_object_object_add(body, "assistant_id", json_object_new_string(agent));
    if (arguments_has(args, "keep-tokens"))
        json_object_object_add(body, "keep_tokens",
                               json_object_new_int64(arguments_number(args, "keep-tokens", 0)));
}

static bool is_over(struct json_object *run)
{
    struct text status = json_get_text(run, "status");

    return !text_is(status, "queued") && !text_is(status, "in_progress") &&
           !text_is(status, "cancelling");
}

/* The reply becomes that of the run as it has ended. */
SUSPENDS static int wait_for_end(struct client *client, const char *thread,
                                 struct client_reply *reply, struct error *err)
{
    CLEANUP(freep)
    char *path = xasprintf("/v1/threads/%s/runs/%.*s?wait=60", thread,
                           TEXT_ARGS(json_get_text(reply->json, "id")));

    while (!is_over(reply->json)) {
        struct client_reply next = {0};
        int r = client_get(client, path, &next, err);

        if (r < 0)
            return r;
        client_reply_deinit(reply);
        *reply = next;
    }
    return 0;
}

static int print_end(struct json_object *run, struct error *err)
{
    struct json_object *result = json_get(run, "result");
    struct text outcome = json_get_text(result, "outcome");
    struct text status = json_get_text(run, "status");

    if (!text_is(status, "completed"))
        return error_set(err, E_REJECTED, "the run is %.*s: %.*s", TEXT_ARGS(status),
                         TEXT_ARGS(json_get_text(json_get(run, "last_error"), "message")));
    if (text_is(outcome, "stored"))
        printf("%" PRId64 " messages with about %" PRId64 " tokens are summed up in %" PRId64 "\n",
               json_get_int(result, "messages", 0), json_get_int(result, "source_tokens", 0),
               json_get_int(result, "tokens", 0));
    else
        printf("%.*s\n", TEXT_ARGS(outcome));
    return 0;
}

static int compact_thread(struct client *client, const struct arguments *args, struct error *err)
{
    const char *thread = args->positional[0];
    CLEANUP(freep) char *path = xasprintf("/v1/threads/%s/compact", thread);
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    struct client_reply reply = {0};
    int r;

    if (!client_is_plain(thread))
        return error_set(err, E_INVALID, "\"%.60s\" is no id of a thread", thread);
    make_body(args, body);
    r = client_post_once(client, path, body, &reply, err);
    if (r < 0)
        return r;
    if (arguments_has(args, "wait"))
        r = wait_for_end(client, thread, &reply, err);
    else
        printf("%.*s\n", TEXT_ARGS(json_get_text(reply.json, "id")));
    if (r == 0 && arguments_has(args, "wait"))
        r = print_end(reply.json, err);
    client_reply_deinit(&reply);
    return r < 0 ? r : output_check(err);
}

static int run_compact(const struct arguments *args)
{
    return client_command(args, compact_thread);
}

static const struct option_spec options[] = {
    {"keep-tokens", 'k', "N", "how much of the newest stays (default: half of trigger_tokens)", 0,
     INT32_MAX},
    {"model", 'm', "MODEL", "that is to sum up (default: that of the thread or the agent)", 0, 0},
    {"agent", 'a', "AGENT", "whose model it is (default: that of the thread)", 0, 0},
    {"wait", 'w', NULL, "until it is done, and print what came of it in place of the run's id", 0,
     0},
};

const struct command command_threads_compact = {
    .name = "threads compact",
    .arguments = "THREAD",
    .summary = "Sum up the old messages of a thread",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_compact,
};
