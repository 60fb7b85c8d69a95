/* What a tenant used of models: buckets of an hour or a day, as OpenAI's organisation usage has
 * them (https://platform.openai.com/docs/api-reference/usage), and with what they cost.
 *
 * A page is so many buckets, whether or not there is anything in them. Where they hold more lines
 * than a reply may, it ends with the last bucket that is whole. */

#include "shared/store/usage/usage_report.h"

#include <stdio.h>

#include "scheduler/api/control/resources.h"
#include "scheduler/api/request.h"
#include "shared/base/clock.h"
#include "shared/json/json_write.h"

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

/* How much a page has. */
static const struct width {
    const char *name;
    int64_t seconds;
    int64_t otherwise; /* buckets where nobody says how many */
    int64_t max;
} widths[] = {
    {"1h", HOUR_S, 24, 168},
    {"1d", DAY_S, 7, 31},
};

static const struct {
    const char *name;
    enum usage_part part;
} parts[] = {
    {"assistant_id", USAGE_BY_AGENT},
    {"user_id", USAGE_BY_USER},
    {"provider", USAGE_BY_PROVIDER},
    {"model", USAGE_BY_MODEL},
};

struct usage_page {
    const struct width *width;
    struct usage_query query;
    int64_t until; /* of the whole report */
};

static int64_t begin_of(int64_t at, int64_t seconds)
{
    return at - at % seconds;
}

static int read_width(struct request *request, const struct width **out)
{
    static const char *const names[] = {"1h", "1d", NULL};
    struct text said;
    int r = request_query_word(request, "bucket_width", names, &said);

    *out = &widths[text_is(said, "1h") ? 0 : 1];
    return r;
}

static int read_part(struct request *request, struct text word, unsigned *out)
{
    static const char *const names[] = {"assistant_id", "user_id", "provider", "model", NULL};
    static const struct path path = {NULL, "group_by", 0};

    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        if (!text_is(word, parts[i].name))
            continue;
        *out |= parts[i].part;
        return 0;
    }
    return fields_word(word, names, &path, &request->failure);
}

/* group_by=user_id,model, or repeated, also as group_by[]. */
static int read_parts(struct request *request, unsigned *out)
{
    static const char *const names[] = {"group_by", "group_by[]"};
    int r = 0;

    for (size_t n = 0; n < ARRAY_LENGTH(names); n++)
        for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
            struct text list = http_query_get(request->exchange, names[n], i);

            while (r == 0 && list.len > 0) {
                struct text word = list;

                if (!text_cut(list, ',', &word, &list))
                    list = TEXT_NONE;
                r = read_part(request, word, out);
            }
        }
    return r;
}

static int read_filter(struct request *request, struct usage_query *out)
{
    int r = request_query_agent(request, "assistant_id", AGENT_EVER, &out->agent);

    if (r == 0)
        r = request_query_user(request, "user_id", &out->user);
    out->of_agent = !uuid_is_zero(out->agent);
    out->provider = http_query_get(request->exchange, "provider", 0);
    out->model = http_query_get(request->exchange, "model", 0);
    return r;
}

/* Whole buckets: from the one in which start_time is to the one in which end_time is; a page begins
 * where the one before says. */
static int read_times(struct request *request, struct usage_page *out)
{
    const struct width *width = out->width;
    int64_t seconds = width->seconds;
    int64_t until = clock_wall_ms() / 1000 + 1;
    int64_t limit = width->otherwise;
    int64_t from;
    int r = request_query_int(request, "limit", 1, width->max, &limit);

    if (r == 0)
        r = request_query_time(request, "end_time", &until);
    from = begin_of(until - 1, seconds) - (limit - 1) * seconds;
    if (r == 0)
        r = request_query_time(request, "start_time", &from);
    if (r == 0)
        r = request_query_int(request, "page", 0, REQUEST_TIME_MAX, &from);
    if (r < 0)
        return r;
    out->query.from = begin_of(from > 0 ? from : 0, seconds);
    out->until = begin_of(until + seconds - 1, seconds);
    if (until <= from || out->until <= out->query.from)
        return failure_param(&request->failure, 400, "end_time", "invalid_value",
                             "Invalid 'end_time': it is not behind the start.");
    out->query.until = out->query.from + limit * seconds;
    if (out->query.until > out->until)
        out->query.until = out->until;
    return 0;
}

static void write_id(struct json_write *w, const char *name, struct uuid id)
{
    char text[ID_TEXT_SIZE];

    if (uuid_is_zero(id)) {
        json_write_null(w, name);
        return;
    }
    id_format(ID_ASSISTANT, id, text);
    json_write_string(w, name, text);
}

static void write_text(struct json_write *w, const char *name, struct text text)
{
    json_write_text(w, name, text.len > 0 ? text : TEXT_NONE);
}

static void write_line(struct json_write *w, const struct usage_line *line)
{
    const struct usage *used = &line->used;

    json_write_open_object(w, NULL);
    json_write_string(w, "object", "usage.result");
    json_write_int(w, "num_model_requests", line->calls);
    json_write_int(w, "input_tokens", used->prompt_tokens);
    json_write_int(w, "input_cached_tokens", used->cached_tokens);
    json_write_int(w, "input_cache_write_tokens", used->cache_write_tokens);
    json_write_int(w, "output_tokens", used->completion_tokens);
    json_write_int(w, "output_reasoning_tokens", used->reasoning_tokens);
    json_write_int(w, "cost_micros", used->cost_micros);
    write_id(w, "assistant_id", line->agent);
    write_text(w, "user_id", line->user);
    write_text(w, "provider", line->provider);
    write_text(w, "model", line->model);
    json_write_close(w);
}

/* The lines of a bucket from number `at` on. Returns the number behind them. */
static size_t write_bucket(struct json_write *w, int64_t begins, int64_t seconds,
                           const struct usage_lines *lines, size_t at)
{
    json_write_open_object(w, NULL);
    json_write_string(w, "object", "bucket");
    json_write_int(w, "start_time", begins);
    json_write_int(w, "end_time", begins + seconds);
    json_write_open_array(w, "results");
    for (; at < lines->count && lines->items[at].begins < begins + seconds; at++)
        write_line(w, &lines->items[at]);
    json_write_close(w);
    json_write_close(w);
    return at;
}

static void write_page(const struct usage_page *page, const struct usage_lines *lines,
                       struct buf *out)
{
    int64_t seconds = page->width->seconds;
    bool has_more = page->query.until < page->until;
    struct json_write w;
    char next[24];
    size_t at = 0;

    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "object", "page");
    json_write_open_array(&w, "data");
    for (int64_t begins = page->query.from; begins < page->query.until; begins += seconds)
        at = write_bucket(&w, begins, seconds, lines, at);
    json_write_close(&w);
    json_write_bool(&w, "has_more", has_more);
    (void)snprintf(next, sizeof(next), "%lld", (long long)page->query.until);
    json_write_string(&w, "next_page", has_more ? next : NULL);
    json_write_close(&w);
}

/* The page ends before the bucket that is not whole. */
static int cut(struct request *request, struct usage_page *page, const struct usage_lines *lines)
{
    if (!lines->has_more)
        return 0;
    page->query.until = lines->items[lines->count - 1].begins;
    if (page->query.until > page->query.from)
        return 0;
    return failure_param(&request->failure, 400, "group_by", "too_many_results",
                         "A bucket has more than %d results. Ask for less with a narrower "
                         "'bucket_width', fewer members of 'group_by', or a filter.",
                         USAGE_LINES_MAX);
}

static int usage_get(struct request *request)
{
    struct usage_page page = {.width = NULL};
    struct usage_lines lines;
    struct error err;
    int r = read_width(request, &page.width);

    if (r == 0)
        r = read_times(request, &page);
    if (r == 0)
        r = read_parts(request, &page.query.parts);
    if (r == 0)
        r = read_filter(request, &page.query);
    if (r < 0)
        return r;
    page.query.by_day = page.width->seconds == DAY_S;
    if (usage_report(&request->store, &page.query, &lines, &err) < 0)
        return request_failed(request, &err);
    r = cut(request, &page, &lines);
    if (r == 0)
        write_page(&page, &lines, &request->reply);
    return r;
}

static const char *const query[] = {"start_time", "end_time", "bucket_width", "limit",
                                    "page",       "group_by", "group_by[]",   "assistant_id",
                                    "user_id",    "provider", "model",        NULL};

static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/usage",
     .handle = usage_get,
     .query = query,
     .flags = ENDPOINT_LARGE},
};

const struct endpoint_table usage_endpoints = ENDPOINT_TABLE(table);
