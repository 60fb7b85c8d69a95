/* `penstock webhooks list`, `create`, `show`, `delete`, `rotate`, `test`, `deliveries` and
 * `redeliver`: what the API shows of webhooks, and what it can do for them. */

#include <inttypes.h>
#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/print_list.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/terminal.h"
#include "scheduler/cli/webhooks/find_webhook.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

SUSPENDS static int webhook_path(struct client *client, const struct arguments *args,
                                 const char *behind, char **out, struct error *err)
{
    CLEANUP(freep) char *id = NULL;
    int r = find_webhook(client, args->positional[0], &id, err);

    if (r == 0)
        *out = xasprintf("/v1/webhooks/%s%s", id, behind);
    return r;
}

static void print_line(const char *name, struct text value)
{
    if (!value.ptr)
        return;
    printf("%-10s ", name);
    terminal_print_line(stdout, value, 300);
    printf("\n");
}

static void print_time(const char *name, int64_t at)
{
    char text[WHEN_SIZE];

    if (at <= 0)
        return;
    when_format(at, true, text);
    printf("%-10s %s\n", name, text);
}

/* "run.completed, batch.*" */
static void join_events(struct json_object *webhook, struct buf *out)
{
    struct json_object *events = json_get(webhook, "events");
    size_t count = events ? json_object_array_length(events) : 0;

    for (size_t i = 0; i < count; i++) {
        buf_add_string(out, i > 0 ? ", " : "");
        buf_add_text(out, json_string(json_object_array_get_idx(events, i)));
    }
}

static const char *state_of(struct json_object *webhook)
{
    if (!json_get_bool(webhook, "enabled", false))
        return "disabled";
    return json_get(webhook, "failing_since") ? "failing" : "enabled";
}

static void print_webhook(struct json_object *webhook)
{
    CLEANUP(buf_deinit) struct buf events;

    buf_init(&events, 0);
    join_events(webhook, &events);
    print_line("webhook", json_get_text(webhook, "id"));
    print_line("name", json_get_text(webhook, "name"));
    print_line("url", json_get_text(webhook, "url"));
    print_line("events", events.len > 0 ? buf_text(&events) : TEXT("none: it signs for runs"));
    print_line("payload", json_get_text(webhook, "payload"));
    print_line("state", text_of(state_of(webhook)));
    print_line("reason", json_get_text(webhook, "disabled_reason"));
    print_time("failing", json_get_int(webhook, "failing_since", 0));
    printf("%-10s %" PRId64 "\n", "waiting", json_get_int(webhook, "waiting", 0));
    print_line("secret", json_get_text(webhook, "secret"));
    if (!json_get(webhook, "secret"))
        print_line("secret", json_get_text(webhook, "secret_hint"));
}

/* What a call gave, as people read it or as it is. */
static void print_reply(const struct arguments *args, struct client_reply *reply)
{
    if (arguments_has(args, "json"))
        printf("%.*s\n", TEXT_ARGS(json_text(reply->json)));
    else
        print_webhook(reply->json);
    client_reply_deinit(reply);
}

/* ---- list ---- */

static void print_head(void)
{
    printf("%-36s  %-9s  %8s  %s\n", "WEBHOOK", "STATE", "WAITING", "URL");
}

static void print_row(struct json_object *webhook, struct text agent)
{
    (void)agent;
    printf("%.*s  %-9s  %8" PRId64 "  ", TEXT_ARGS(json_get_text(webhook, "id")), state_of(webhook),
           json_get_int(webhook, "waiting", 0));
    terminal_print_line(stdout, json_get_text(webhook, "url"), 200);
    printf("\n");
}

static int list(struct client *client, const struct arguments *args, struct error *err)
{
    const struct print_list printed = {
        .args = args, .head = print_head, .row = print_row, .without_agents = true};

    return print_list(client, &printed, "/v1/webhooks", (size_t)arguments_number(args, "limit", 20),
                      err);
}

/* ---- one ---- */

static void add_text(struct json_object *body, const char *name, const char *value)
{
    if (value)
        json_object_object_add(body, name, json_object_new_string(value));
}

static int create(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    struct json_object *events = json_object_new_array();
    struct client_reply reply = {0};
    const char *event;
    int r;

    json_object_object_add(body, "events", events);
    add_text(body, "url", args->positional[0]);
    add_text(body, "name", arguments_get(args, "name"));
    if (arguments_has(args, "full"))
        add_text(body, "payload", "full");
    for (size_t i = 0; (event = arguments_each(args, "event", i)); i++)
        json_object_array_add(events, json_object_new_string(event));
    if (json_object_array_length(events) == 0)
        json_object_array_add(events, json_object_new_string("*"));
    r = client_post_once(client, "/v1/webhooks", body, &reply, err);
    if (r == 0)
        print_reply(args, &reply);
    return r;
}

static int show(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    int r = webhook_path(client, args, "", &path, err);

    if (r == 0)
        r = client_get(client, path, &reply, err);
    if (r == 0)
        print_reply(args, &reply);
    return r;
}

static int post(struct client *client, const struct arguments *args, const char *behind,
                struct json_object *body, struct client_reply *out, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    int r = webhook_path(client, args, behind, &path, err);

    return r == 0 ? client_post(client, path, body, out, err) : r;
}

static int set_enabled(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    struct client_reply reply = {0};
    int r;

    json_object_object_add(body, "enabled", json_object_new_boolean(true));
    r = post(client, args, "", body, &reply, err);
    if (r == 0)
        print_reply(args, &reply);
    return r;
}

static int delete (struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    struct client_call call = {.method = "DELETE", .repeatable = true};
    int r = webhook_path(client, args, "", &path, err);

    if (r < 0)
        return r;
    call.path = path;
    r = client_send(client, &call, &reply, err);
    if (r < 0)
        return r;
    printf("%s is deleted\n", args->positional[0]);
    client_reply_deinit(&reply);
    return 0;
}

static int rotate(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    struct client_reply reply = {0};
    int64_t hours = arguments_number(args, "keep", 24);
    int r;

    if (arguments_has(args, "at-once"))
        hours = 0;
    json_object_object_add(body, "keep_seconds", json_object_new_int64(hours * 3600));
    r = post(client, args, "/rotate_secret", body, &reply, err);
    if (r == 0)
        print_reply(args, &reply);
    return r;
}

static int try(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    struct client_reply reply = {0};
    bool success;
    int r;

    add_text(body, "type", arguments_get(args, "type"));
    r = post(client, args, "/test", body, &reply, err);
    if (r < 0)
        return r;
    success = json_get_bool(reply.json, "success", false);
    printf("%.*s: ", TEXT_ARGS(json_get_text(reply.json, "type")));
    if (success)
        printf("it answered %" PRId64, json_get_int(reply.json, "status_code", 0));
    else
        terminal_print_line(stdout, json_get_text(reply.json, "error"), 300);
    printf(" (%" PRId64 " ms)\n", json_get_int(reply.json, "duration_ms", 0));
    client_reply_deinit(&reply);
    return success ? COMMAND_OK : COMMAND_FAILED;
}

/* ---- deliveries ---- */

static void print_delivery_head(void)
{
    printf("%-36s  %-9s  %5s  %6s  %-25s  %-25s  %s\n", "DELIVERY", "STATE", "TRIES", "ANSWER",
           "CREATED", "NEXT TRY", "TYPE");
}

static void print_delivery(struct json_object *delivery, struct text agent)
{
    int64_t next_try = json_get_int(delivery, "next_try_at", 0);
    char created[WHEN_SIZE];
    char next[WHEN_SIZE] = "-";

    (void)agent;
    when_format(json_get_int(delivery, "created_at", 0), true, created);
    if (next_try > 0)
        when_format(next_try, true, next);
    printf("%.*s  %-9.*s  %5" PRId64 "  %6" PRId64 "  %-25s  %-25s  %.*s\n",
           TEXT_ARGS(json_get_text(delivery, "id")), TEXT_ARGS(json_get_text(delivery, "state")),
           json_get_int(delivery, "tries", 0), json_get_int(delivery, "status_code", 0), created,
           next, TEXT_ARGS(json_get_text(delivery, "type")));
}

static int deliveries(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    CLEANUP(freep) char *whole = NULL;
    CLEANUP(freep) char *state = NULL;
    const struct print_list printed = {
        .args = args, .head = print_delivery_head, .row = print_delivery, .without_agents = true};
    int r = webhook_path(client, args, "/deliveries", &path, err);

    if (r < 0)
        return r;
    state = client_encode(arguments_has(args, "state") ? arguments_get(args, "state") : "");
    whole = xasprintf("%s%s%s", path, *state ? "?state=" : "", state);
    return print_list(client, &printed, whole, (size_t)arguments_number(args, "limit", 20), err);
}

static int redeliver(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(freep) char *behind = NULL;
    struct client_reply reply = {0};
    int r;

    if (!client_is_plain(args->positional[1]))
        return error_set(err, E_INVALID, "\"%.60s\" is no id of a delivery", args->positional[1]);
    behind = xasprintf("/deliveries/%s/redeliver", args->positional[1]);
    r = post(client, args, behind, NULL, &reply, err);
    if (r < 0)
        return r;
    printf("%s will be sent once more\n", args->positional[1]);
    client_reply_deinit(&reply);
    return 0;
}

/* ---- the commands ---- */

#define RUN(fn)                                                                                    \
    static int run_##fn(const struct arguments *args)                                              \
    {                                                                                              \
        return client_command(args, fn);                                                           \
    }

RUN(list)
RUN(create)
RUN(show)
RUN(set_enabled)
RUN(delete)
RUN(rotate)
RUN(try)
RUN(deliveries)
RUN(redeliver)

#define LIMIT                                                                                      \
    {                                                                                              \
        "limit", 'n', "N", "how many, the newest first (default 20)", 1, 100000                    \
    }
#define JSON                                                                                       \
    {                                                                                              \
        "json", 0, NULL, "as the API shows it", 0, 0                                               \
    }

static const struct option_spec list_options[] = {LIMIT, JSON};
static const struct option_spec one_options[] = {JSON};
static const struct option_spec create_options[] = {
    {"event", 'e', "TYPE", "run.completed, run.*, batch.*, ... (default *: all)", OPTION_REPEATS,
     0},
    {"name", 0, "NAME", "what people call it", 0, 0},
    {"full", 0, NULL, "what runs answered goes along", 0, 0},
    JSON,
};
static const struct option_spec rotate_options[] = {
    {"keep", 0, "HOURS", "the secret before it signs, too, for so long (default 24)", 1, 168},
    {"at-once", 0, NULL, "it does not sign any more", 0, 0},
    JSON,
};
static const struct option_spec try_options[] = {
    {"type", 0, "TYPE", "of the event (default: one that the webhook wants)", 0, 0},
};
static const struct option_spec delivery_options[] = {
    {"state", 0, "STATE", "pending, delivered, dead or skipped", 0, 0},
    LIMIT,
    JSON,
};

#define OPTIONS(list) .options = list, .options_count = ARRAY_LENGTH(list)
#define ONE           .positional_min = 1, .positional_max = 1
#define NAMED         "WEBHOOK is an id, a name, or the beginning of a URL."

const struct command command_webhooks_list = {
    .name = "webhooks list",
    .arguments = "",
    .summary = "List webhooks, and how many deliveries wait for each",
    OPTIONS(list_options),
    .run = run_list,
};

const struct command command_webhooks_create = {
    .name = "webhooks create",
    .arguments = "URL",
    .summary = "Have a URL told what becomes of runs, batches and the like",
    .details = "The secret that signs is shown now, and never again.",
    OPTIONS(create_options),
    ONE,
    .run = run_create,
};

const struct command command_webhooks_show = {
    .name = "webhooks show",
    .arguments = "WEBHOOK",
    .details = NAMED,
    .summary = "Show a webhook, and whether it works",
    OPTIONS(one_options),
    ONE,
    .run = run_show,
};

const struct command command_webhooks_enable = {
    .name = "webhooks enable",
    .arguments = "WEBHOOK",
    .details = NAMED,
    .summary = "Send to a webhook again that was disabled",
    OPTIONS(one_options),
    ONE,
    .run = run_set_enabled,
};

const struct command command_webhooks_delete = {
    .name = "webhooks delete",
    .arguments = "WEBHOOK",
    .details = NAMED,
    .summary = "Delete a webhook; what waits for it is not sent",
    ONE,
    .run = run_delete,
};

const struct command command_webhooks_rotate = {
    .name = "webhooks rotate",
    .arguments = "WEBHOOK",
    .details = NAMED,
    .summary = "Give a webhook a new secret, which is shown now and never again",
    OPTIONS(rotate_options),
    ONE,
    .run = run_rotate,
};

const struct command command_webhooks_test = {
    .name = "webhooks test",
    .arguments = "WEBHOOK",
    .summary = "Send a sample to a webhook, and tell what it answered",
    .details =
        NAMED "\n\n"
              "Exit code: 0 it answered 2xx; 1 it did not; 2 wrong usage; 3 the server can't be\n"
              "reached or refuses the key.",
    OPTIONS(try_options),
    ONE,
    .run = run_try,
};

const struct command command_webhooks_deliveries = {
    .name = "webhooks deliveries",
    .arguments = "WEBHOOK",
    .details = NAMED,
    .summary = "List what was sent to a webhook, and what came of it",
    OPTIONS(delivery_options),
    ONE,
    .run = run_deliveries,
};

const struct command command_webhooks_redeliver = {
    .name = "webhooks redeliver",
    .arguments = "WEBHOOK DELIVERY",
    .details = NAMED,
    .summary = "Send a delivery once more, whatever became of it",
    .positional_min = 2,
    .positional_max = 2,
    .run = run_redeliver,
};
