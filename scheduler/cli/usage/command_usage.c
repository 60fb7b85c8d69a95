/* `penstock usage`: what was used of models, and what it cost. */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/agent_names.h"
#include "scheduler/cli/display/money.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

enum { DAYS_DEFAULT = 7, DAYS_MAX = 400, NAME_WIDTH = 20, MODEL_WIDTH = 40, WIDTH_MAX = 64 };

/* What results may be taken apart by, as a person says it and as the API does. */
static const struct part {
    const char *name;
    const char *member;
    const char *head;
    size_t width;
} parts[] = {
    {"agent", "assistant_id", "AGENT", NAME_WIDTH},
    {"user", "user_id", "USER", NAME_WIDTH},
    {"provider", "provider", "PROVIDER", NAME_WIDTH},
    {"model", "model", "MODEL", MODEL_WIDTH},
};

struct report {
    struct client *client;
    const struct arguments *args;
    bool by_hour;
    bool by[ARRAY_LENGTH(parts)];
    struct agent_names names;
    bool headed;
};

static int read_parts(struct report *report, const char *said, struct error *err)
{
    struct text rest = said ? text_of(said) : TEXT_NONE;

    while (rest.len > 0) {
        struct text word = rest;
        size_t i = 0;

        if (!text_cut(rest, ',', &word, &rest))
            rest = TEXT_NONE;
        while (i < ARRAY_LENGTH(parts) && !text_is(word, parts[i].name))
            i++;
        if (i == ARRAY_LENGTH(parts))
            return error_set(err, E_INVALID,
                             "--by knows agent, user, provider and model, not \"%.*s\"",
                             TEXT_ARGS(text_prefix(word, 40)));
        report->by[i] = true;
    }
    return 0;
}

static void print_head(struct report *report)
{
    if (report->headed)
        return;
    report->headed = true;
    printf("%-20s", report->by_hour ? "HOUR (UTC)" : "DAY (UTC)");
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        if (report->by[i])
            printf("  %-*s", (int)parts[i].width, parts[i].head);
    printf("  %8s  %12s  %12s  %14s\n", "CALLS", "INPUT", "OUTPUT", "COST");
}

static int print_part(struct report *report, size_t i, struct json_object *result,
                      struct error *err)
{
    struct text value = json_get_text(result, parts[i].member);
    int r = 0;

    if (i == 0 && value.ptr)
        r = agent_names_find(&report->names, json_get_string(result, parts[i].member), &value, err);
    printf("  ");
    print_column(value.len > 0 ? value : TEXT("-"), parts[i].width);
    return r;
}

static int print_result(struct report *report, int64_t begins, struct json_object *result,
                        struct error *err)
{
    time_t at = (time_t)begins;
    struct tm utc;
    char when[WIDTH_MAX];
    char cost[MONEY_SIZE];
    int r = 0;

    print_head(report);
    gmtime_r(&at, &utc);
    (void)strftime(when, sizeof(when), report->by_hour ? "%Y-%m-%d %H:00" : "%Y-%m-%d", &utc);
    money_format(json_get_int(result, "cost_micros", 0), cost);
    printf("%-20s", when);
    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(parts); i++)
        if (report->by[i])
            r = print_part(report, i, result, err);
    printf("  %8lld  %12lld  %12lld  %14s\n",
           (long long)json_get_int(result, "num_model_requests", 0),
           (long long)json_get_int(result, "input_tokens", 0),
           (long long)json_get_int(result, "output_tokens", 0), cost);
    return r;
}

static int print_bucket(struct report *report, struct json_object *bucket, struct error *err)
{
    struct json_object *results = json_get(bucket, "results");
    size_t count =
        json_object_is_type(results, json_type_array) ? json_object_array_length(results) : 0;
    int r = 0;

    if (arguments_has(report->args, "json")) {
        if (count > 0)
            printf("%.*s\n", TEXT_ARGS(json_text(bucket)));
        return output_check(err);
    }
    for (size_t i = 0; r == 0 && i < count; i++)
        r = print_result(report, json_get_int(bucket, "start_time", 0),
                         json_object_array_get_idx(results, i), err);
    return r < 0 ? r : output_check(err);
}

/* The first page's path; the others add where they begin. */
static char *path_of(const struct report *report)
{
    int64_t days = arguments_number(report->args, "days", DAYS_DEFAULT);
    int64_t now = (int64_t)time(NULL);
    struct buf path;

    buf_init(&path, 0);
    buf_printf(&path, "/v1/usage?bucket_width=%s&start_time=%lld&end_time=%lld&group_by=",
               report->by_hour ? "1h" : "1d", (long long)(now - (days - 1) * 86400),
               (long long)now + 1);
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        if (report->by[i])
            buf_printf(&path, "%s,", parts[i].member);
    if (path.ptr[path.len - 1] == ',')
        path.ptr[--path.len] = '\0';
    return buf_take(&path);
}

static int print_pages(struct report *report, struct error *err)
{
    CLEANUP(freep) char *path = path_of(report);
    CLEANUP(freep) char *next = xstrdup(path);
    int r = 0;

    while (r == 0 && next) {
        struct client_reply reply = {0};
        struct json_object *data;
        const char *page;

        r = client_get(report->client, next, &reply, err);
        if (r < 0)
            break;
        data = json_get(reply.json, "data");
        for (size_t i = 0; r == 0 && json_object_is_type(data, json_type_array) &&
                           i < json_object_array_length(data);
             i++)
            r = print_bucket(report, json_object_array_get_idx(data, i), err);
        page = json_get_string(reply.json, "next_page");
        free(next);
        next = page && client_is_plain(page) ? xasprintf("%s&page=%s", path, page) : NULL;
        client_reply_deinit(&reply);
    }
    return r;
}

static int usage(struct client *client, const struct arguments *args, struct error *err)
{
    struct report report = {
        .client = client, .args = args, .by_hour = arguments_has(args, "hours")};
    int r = read_parts(&report, arguments_get(args, "by"), err);

    if (r < 0)
        return r;
    agent_names_init(&report.names, client);
    r = print_pages(&report, err);
    agent_names_deinit(&report.names);
    return r;
}

static int run_usage(const struct arguments *args)
{
    return client_command(args, usage);
}

static const struct option_spec options[] = {
    {"by", 'b', "PARTS", "one or more of agent, user, provider, model, with commas between", 0, 0},
    {"days", 'd', "N", "the last N days, with today (default 7)", 1, DAYS_MAX},
    {"hours", 0, NULL, "by the hour instead of the day", 0, 0},
    {"json", 0, NULL, "one JSON object a line, for each day or hour in which something was used", 0,
     0},
};

const struct command command_usage = {
    .name = "usage",
    .arguments = "",
    .summary = "Show what was used of models, and what it cost",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .run = run_usage,
};
