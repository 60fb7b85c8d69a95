/* `penstock tools stats`: how often a tool was called, with what success and in what time. */

#include <stdio.h>
#include <time.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/display/agent_names.h"
#include "scheduler/cli/output.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

enum { DAYS_DEFAULT = 7, DAYS_MAX = 366, HOURS_MAX = 168, DAY_S = 86400, HOUR_S = 3600 };
enum { NAME_WIDTH = 32 };

/* "-" where no call has ended. */
static void print_ms(struct json_object *durations, const char *name)
{
    int64_t ms = json_get_int(durations, name, -1);

    if (ms >= 0)
        printf("  %9lld", (long long)ms);
    else
        printf("  %9s", "-");
}

static void print_times(struct json_object *times)
{
    static const char *const names[] = {"mean", "p50", "p95", "max"};
    struct json_object *durations = json_get(times, "duration_ms");

    printf("  %9lld  %9lld  %9lld", (long long)json_get_int(times, "calls", 0),
           (long long)json_get_int(times, "errors", 0),
           (long long)json_get_int(times, "unknown", 0));
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        print_ms(durations, names[i]);
    printf("\n");
}

static void print_head(const char *first, int width)
{
    printf("%-*s  %9s  %9s  %9s  %9s  %9s  %9s  %9s\n", width, first, "CALLS", "ERRORS", "UNKNOWN",
           "MEAN MS", "P50 MS", "P95 MS", "MAX MS");
}

static void print_line(const char *when, struct json_object *times)
{
    printf("%-16s", when);
    print_times(times);
}

/* Tools that were called. */
static void print_tools(struct json_object *list)
{
    struct json_object *data = json_get(list, "data");
    size_t count = json_object_is_type(data, json_type_array) ? json_object_array_length(data) : 0;

    print_head("TOOL", NAME_WIDTH);
    for (size_t i = 0; i < count; i++) {
        struct json_object *tool = json_object_array_get_idx(data, i);

        print_column(json_get_text(tool, "name"), NAME_WIDTH);
        print_times(tool);
    }
}

static void print_stats(struct json_object *stats, bool by_hour)
{
    struct json_object *data = json_get(stats, "data");
    size_t count = json_object_is_type(data, json_type_array) ? json_object_array_length(data) : 0;

    print_head(by_hour ? "HOUR (UTC)" : "DAY (UTC)", 16);
    for (size_t i = 0; i < count; i++) {
        struct json_object *line = json_object_array_get_idx(data, i);
        time_t at = (time_t)json_get_int(line, "start_time", 0);
        char when[32];
        struct tm utc;

        gmtime_r(&at, &utc);
        (void)strftime(when, sizeof(when), by_hour ? "%Y-%m-%d %H:00" : "%Y-%m-%d", &utc);
        print_line(when, line);
    }
    print_line("all", stats);
}

static int stats(struct client *client, const struct arguments *args, struct error *err)
{
    bool by_hour = arguments_has(args, "hours");
    int64_t days = arguments_number(args, "days", DAYS_DEFAULT);
    int64_t back = by_hour ? arguments_number(args, "hours", 1) * HOUR_S : days * DAY_S;
    int64_t now = (int64_t)time(NULL);
    int64_t from = now - back + (by_hour ? HOUR_S : DAY_S);
    bool one = args->positional_count > 0;
    CLEANUP(freep) char *name = client_encode(one ? args->positional[0] : "");
    CLEANUP(freep)
    char *path = one ? xasprintf("/v1/tools/%s/stats?bucket_width=%s&start_time=%lld", name,
                                 by_hour ? "1h" : "1d", (long long)from)
                     : xasprintf("/v1/tools/stats?start_time=%lld", (long long)from);
    struct client_reply reply = {0};
    int r = client_get(client, path, &reply, err);

    if (r < 0)
        return r;
    if (arguments_has(args, "json"))
        printf("%.*s\n", TEXT_ARGS(json_text(reply.json)));
    else if (!one)
        print_tools(reply.json);
    else
        print_stats(reply.json, by_hour);
    client_reply_deinit(&reply);
    return output_check(err);
}

static int run_stats(const struct arguments *args)
{
    return client_command(args, stats);
}

static const struct option_spec options[] = {
    {"days", 'd', "N", "the last N days, with today (default 7)", 1, DAYS_MAX},
    {"hours", 0, "N", "by the hour: the last N, with this one", 1, HOURS_MAX},
    {"json", 0, NULL, "as the API gives it", 0, 0},
};

const struct command command_tools_stats = {
    .name = "tools stats",
    .arguments = "[TOOL]",
    .summary = "Show how often a tool was called, with what success and in what time",
    .details =
        "TOOL is any name by which models call one: of a declared tool, of one that is built\n"
        "in, of a server's (notes__read_note), or of a function of yours. Without it all are\n"
        "listed that were called. Calls of `tools test` are not counted.",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .positional_max = 1,
    .run = run_stats,
};
