/* How often a tool was called, with what success and in what time: any tool, by the name by which
 * models call it, be it declared, built in, a function of a client or another server's. */

#include "shared/store/tools/tool_stats.h"

#include "scheduler/api/tools/resources.h"
#include "scheduler/api/tools/tool_common.h"
#include "shared/agent/checks.h"
#include "shared/agent/tools/tools.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/json/json_write.h"

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

static const struct width {
    const char *name;
    int64_t seconds;
    int64_t otherwise; /* buckets where nobody says since when */
    int64_t max;
} widths[] = {
    {"1h", HOUR_S, 24, 168},
    {"1d", DAY_S, 7, 366},
};

struct report {
    const struct width *width;
    struct tool_stats_query query;
    struct uuid tool; /* of a declared one; zero: it is none */
};

static int read_times(struct request *request, struct report *out)
{
    static const char *const names[] = {"1h", "1d", NULL};
    int64_t until = clock_wall_ms() / 1000 + 1;
    int64_t seconds;
    int64_t end;
    int64_t from;
    struct text said;
    int r = request_query_word(request, "bucket_width", names, &said);

    out->width = &widths[text_is(said, "1h") ? 0 : 1];
    seconds = out->width->seconds;
    if (r == 0)
        r = request_query_time(request, "end_time", &until);
    end = until + (seconds - until % seconds) % seconds;
    from = end - out->width->otherwise * seconds;
    if (r == 0)
        r = request_query_time(request, "start_time", &from);
    if (r < 0)
        return r;
    if (from >= until)
        return failure_param(&request->failure, 400, "end_time", "invalid_value",
                             "Invalid 'end_time': it is not behind the start.");
    from = from > 0 ? from - from % seconds : 0;
    if ((end - from) / seconds > out->width->max)
        return failure_param(&request->failure, 400, "start_time", "invalid_value",
                             "Invalid 'start_time': at most %lld buckets of %s are shown at once.",
                             (long long)out->width->max, out->width->name);
    out->query.from = from;
    out->query.until = end;
    out->query.by_day = seconds == DAY_S;
    return 0;
}

/* By the id or the name of a declared one, or by any name: whoever was called had one. */
static int read_tool(struct request *request, struct report *out)
{
    struct text said = request->exchange->params[0];
    struct stored_tool tool;
    struct uuid id = {{0}};
    struct error err;
    int r;

    if (!id_parse(ID_TOOL, said, &id) && !tool_name_fits(said))
        return request_missing(request, "tool", said);
    r = tools_get(&request->store, id, said, &tool, &err);
    if (r < 0)
        return request_failed(request, &err);
    if (r == TOOL_MISSING && !uuid_is_zero(id))
        return request_missing(request, "tool", said);
    out->query.tool = r == 0 ? tool.name : said;
    out->tool = r == 0 ? tool.id : (struct uuid){{0}};
    return 0;
}

static void write_ms(struct json_write *w, const char *name, int64_t ms)
{
    if (ms >= 0)
        json_write_int(w, name, ms);
    else
        json_write_null(w, name);
}

static void write_times(struct json_write *w, const struct tool_times *times)
{
    bool any = times->calls > times->unknown;

    json_write_int(w, "calls", times->calls);
    json_write_int(w, "errors", times->errors);
    json_write_int(w, "unknown", times->unknown);
    json_write_open_object(w, "duration_ms");
    write_ms(w, "mean", tool_times_mean(times));
    write_ms(w, "p50", tool_times_percentile(times, 50));
    write_ms(w, "p95", tool_times_percentile(times, 95));
    write_ms(w, "max", any ? times->max_ms : -1);
    json_write_close(w);
}

static void write_line(struct json_write *w, const struct tool_stats_line *line, int64_t seconds)
{
    json_write_open_object(w, NULL);
    json_write_string(w, "object", "bucket");
    json_write_int(w, "start_time", line->begins);
    json_write_int(w, "end_time", line->begins + seconds);
    write_times(w, &line->times);
    json_write_close(w);
}

static void write_report(const struct report *report, const struct tool_stats_lines *lines,
                         struct buf *out)
{
    struct tool_times all = {.calls = 0};
    struct json_write w;
    char id[ID_TEXT_SIZE];

    for (size_t i = 0; i < lines->count; i++)
        tool_times_add_all(&all, &lines->items[i].times);
    id_format(ID_TOOL, report->tool, id);
    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "object", "tool.stats");
    json_write_text(&w, "name", report->query.tool);
    json_write_string(&w, "tool_id", uuid_is_zero(report->tool) ? NULL : id);
    json_write_int(&w, "start_time", report->query.from);
    json_write_int(&w, "end_time", report->query.until);
    json_write_string(&w, "bucket_width", report->width->name);
    write_times(&w, &all);
    json_write_open_array(&w, "data");
    for (size_t i = 0; i < lines->count; i++)
        write_line(&w, &lines->items[i], report->width->seconds);
    json_write_close(&w);
    json_write_close(&w);
}

/* What is no tool of the server's and was never called is most likely a slip of the pen. */
static bool is_known(const struct report *report, const struct tool_stats_lines *lines)
{
    return lines->count > 0 || !uuid_is_zero(report->tool) || tool_kind_find(report->query.tool);
}

static int never_called(struct request *request)
{
    char shown[64];

    text_excerpt(request->exchange->params[0], shown, sizeof(shown));
    return failure_param(&request->failure, 404, NULL, NULL,
                         "No tool of the name '%s' is declared, and none was called in this time. "
                         "GET /v1/tools/stats lists those that were.",
                         shown);
}

/* All that were called, whatever they are. */
static int tools_called(struct request *request)
{
    struct report report = {.width = NULL};
    struct tool_stats_names names;
    struct json_write w;
    struct error err;
    int r = read_times(request, &report);

    if (r < 0)
        return r;
    if (tool_stats_list(&request->store, &report.query, &names, &err) < 0)
        return request_failed(request, &err);
    json_write_init(&w, &request->reply);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "object", "list");
    json_write_int(&w, "start_time", report.query.from);
    json_write_int(&w, "end_time", report.query.until);
    json_write_open_array(&w, "data");
    for (size_t i = 0; i < names.count; i++) {
        json_write_open_object(&w, NULL);
        json_write_string(&w, "object", "tool.stats");
        json_write_text(&w, "name", names.items[i].tool);
        write_times(&w, &names.items[i].times);
        json_write_close(&w);
    }
    json_write_close(&w);
    json_write_close(&w);
    return 0;
}

static int tool_stats(struct request *request)
{
    struct report report = {.width = NULL};
    struct tool_stats_lines lines;
    struct error err;
    int r = read_tool(request, &report);

    if (r == 0)
        r = read_times(request, &report);
    if (r < 0)
        return r;
    if (tool_stats_read(&request->store, &report.query, &lines, &err) < 0)
        return request_failed(request, &err);
    if (!is_known(&report, &lines))
        return never_called(request);
    write_report(&report, &lines, &request->reply);
    return 0;
}

static const char *const query[] = {"start_time", "end_time", "bucket_width", NULL};
static const char *const list_query[] = {"start_time", "end_time", NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET, .pattern = "/v1/tools/stats", .handle = tools_called,
     .query = list_query},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/tools/{tool_id}/stats", .handle = tool_stats,
     .query = query},
};
/* clang-format on */

const struct endpoint_table tool_stats_endpoints = ENDPOINT_TABLE(table);
