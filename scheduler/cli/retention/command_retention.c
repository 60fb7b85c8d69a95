/* `penstock retention show|set|unset|preview`. */

#include <stdio.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/agent_names.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"

enum { DAY_S = 86400, OF_WIDTH = 48 };

/* "90d", "36h", "2y" as seconds; a number alone is seconds. */
static int read_span(const struct arguments *args, const char *name, struct json_object *body,
                     const char *member, struct error *err)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1},     {'m', 60},        {'h', 3600},
                 {'d', DAY_S}, {'w', 7 * DAY_S}, {'y', 365 * (int64_t)DAY_S}};
    const char *said = arguments_get(args, name);
    struct text number = said ? text_of(said) : TEXT_NONE;
    int64_t unit = 1;
    int64_t count;

    if (!said)
        return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++)
        if (number.len > 0 && number.ptr[number.len - 1] == units[i].letter) {
            unit = units[i].seconds;
            number.len--;
            break;
        }
    if (!text_to_int(number, &count) || count < 0 || count > INT64_C(10000000000))
        return error_set(err, E_INVALID,
                         "--%s %.20s: expected a time as in 90d, 12h or 2y, or a number of seconds",
                         name, said);
    json_object_object_add(body, member, json_object_new_int64(count * unit));
    return 0;
}

/* "delete 30d after the last use". */
static void print_policy(struct json_object *retention)
{
    struct text action = json_get_text(retention, "action");
    int64_t then_s = json_get_int(retention, "then_delete_after", -1);
    char after[WHEN_SIZE];
    char then[WHEN_SIZE];

    when_format_span(json_get_int(retention, "after", -1), after);
    when_format_span(then_s, then);
    if (!action.ptr || text_is(action, "keep"))
        printf("%s\n", action.ptr ? "keep" : "nothing is said: keep");
    else if (then_s >= 0)
        printf("%.*s %s after the last use, delete %s later\n", TEXT_ARGS(action), after, then);
    else
        printf("%.*s %s after the last use\n", TEXT_ARGS(action), after);
}

static void print_others(struct json_object *list, const char *kind, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *one = json_object_array_get_idx(list, i);
        struct text shown = json_get_text(one, name);

        printf("%-10s  ", kind);
        print_column(shown.ptr ? shown : json_get_text(one, "id"), OF_WIDTH);
        printf("  ");
        print_policy(json_get(one, "retention"));
    }
}

static int print_reply(const struct arguments *args, struct client_reply *reply, struct error *err)
{
    char done_to[WHEN_SIZE];

    if (arguments_has(args, "json")) {
        printf("%.*s\n", TEXT_ARGS(json_text(reply->json)));
    } else {
        when_format(json_get_int(reply->json, "done_to", 0), true, done_to);
        printf("%-10s  %-48s  ", "tenant", "self");
        print_policy(json_get(reply->json, "retention"));
        print_others(json_get(reply->json, "assistants"), "assistant", "slug");
        print_others(json_get(reply->json, "schedules"), "schedule", "name");
        printf("What was due at %s is gone.\n", done_to);
    }
    client_reply_deinit(reply);
    return output_check(err);
}

static int call(struct client *client, const struct arguments *args, const char *method,
                struct json_object *body, struct error *err)
{
    struct client_reply reply = {0};
    const struct client_call call = {
        .method = method,
        .path = "/v1/retention",
        .body = body ? json_text(body) : TEXT_NONE,
        .repeatable = true,
    };
    int r = client_send(client, &call, &reply, err);

    return r < 0 ? r : print_reply(args, &reply, err);
}

static int show(struct client *client, const struct arguments *args, struct error *err)
{
    return call(client, args, "GET", NULL, err);
}

static int set(struct client *client, const struct arguments *args, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    int r;

    json_object_object_add(body, "action", json_object_new_string(args->positional[0]));
    r = read_span(args, "after", body, "after", err);
    if (r == 0)
        r = read_span(args, "then-delete-after", body, "then_delete_after", err);
    return r < 0 ? r : call(client, args, "PUT", body, err);
}

static int unset(struct client *client, const struct arguments *args, struct error *err)
{
    return call(client, args, "DELETE", NULL, err);
}

static int preview(struct client *client, const struct arguments *args, struct error *err)
{
    static const char *const rows[][2] = {
        {"threads deleted", "threads_deleted"},
        {"threads in no list deleted", "hidden_threads_deleted"},
        {"threads archived", "threads_archived"},
        {"runs deleted", "runs_deleted"},
        {"batches deleted", "batches_deleted"},
    };
    const struct client_call call = {
        .method = "GET", .path = "/v1/retention/preview", .repeatable = true};
    struct client_reply reply = {0};
    int r = client_send(client, &call, &reply, err);

    if (r < 0)
        return r;
    if (arguments_has(args, "json")) {
        printf("%.*s\n", TEXT_ARGS(json_text(reply.json)));
    } else {
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
            printf("%10lld  %s\n", (long long)json_get_int(reply.json, rows[i][1], 0), rows[i][0]);
        if (!json_object_get_boolean(json_get(reply.json, "complete")))
            printf("There is more: not all was looked at.\n");
    }
    client_reply_deinit(&reply);
    return output_check(err);
}

static int run_show(const struct arguments *args)
{
    return client_command(args, show);
}

static int run_set(const struct arguments *args)
{
    return client_command(args, set);
}

static int run_unset(const struct arguments *args)
{
    return client_command(args, unset);
}

static int run_preview(const struct arguments *args)
{
    return client_command(args, preview);
}

static const struct option_spec json_options[] = {
    {"json", 0, NULL, "as JSON", 0, 0},
};

static const struct option_spec set_options[] = {
    {"after", 0, "TIME", "since the last use of a thread: 90d, 12h, 2y; an hour at least", 0, 0},
    {"then-delete-after", 0, "TIME", "with archive: how much later it is deleted", 0, 0},
    {"json", 0, NULL, "as JSON", 0, 0},
};

const struct command command_retention_show = {
    .name = "retention show",
    .arguments = "",
    .summary = "Show how long threads and runs are kept",
    .details = "Of the tenant, and of assistants and schedules that say something else.",
    .options = json_options,
    .options_count = ARRAY_LENGTH(json_options),
    .run = run_show,
};

const struct command command_retention_set = {
    .name = "retention set",
    .arguments = "keep|archive|delete",
    .summary = "Say how long the tenant's threads and runs are kept",
    .details = "Assistants and schedules may say something else (their member retention), which "
               "counts\n"
               "for their threads. See what would go with `penstock retention preview`.",
    .options = set_options,
    .options_count = ARRAY_LENGTH(set_options),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_set,
};

const struct command command_retention_unset = {
    .name = "retention unset",
    .arguments = "",
    .summary = "Say nothing of how long the tenant's threads are kept: they stay",
    .options = json_options,
    .options_count = ARRAY_LENGTH(json_options),
    .run = run_unset,
};

const struct command command_retention_preview = {
    .name = "retention preview",
    .arguments = "",
    .summary = "Show how much would go if it were looked at now",
    .options = json_options,
    .options_count = ARRAY_LENGTH(json_options),
    .run = run_preview,
};
