/* SearXNG: an instance of one's own, which asks many engines. Where all of them refused it says 200
 * with no results, and names them in `unresponsive_engines`: that is a failure, else a model would
 * be told that there is nothing. */

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "worker/tools/web/search/engine.h"

/* It knows no weeks. */
static const char *const ranges[] = {
    [FRESH_ANY] = NULL,      [FRESH_DAY] = "day",   [FRESH_WEEK] = "month",
    [FRESH_MONTH] = "month", [FRESH_YEAR] = "year",
};

static void build(const struct search_ask *ask, const struct search_account *account,
                  struct search_request *out)
{
    CLEANUP(buf_deinit) struct buf query;

    buf_init(&query, 0);
    search_query_write(ask, &query);
    out->method = "GET";
    buf_printf(&out->url, "%s/search", account->base_url);
    search_url_add(out, "q", buf_text(&query));
    search_url_add(out, "format", TEXT("json"));
    if (ranges[ask->freshness])
        search_url_add(out, "time_range", text_of(ranges[ask->freshness]));
    if (*account->api_key) {
        buf_printf(&out->secret, "Bearer %s", account->api_key);
        out->headers[out->header_count++] =
            (struct http_header){TEXT("Authorization"), buf_text(&out->secret)};
    }
}

static size_t length_of(struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static int read(struct json_object *reply, struct search_results *out, struct error *err)
{
    struct json_object *list = json_get(reply, "results");
    size_t silent = length_of(json_get(reply, "unresponsive_engines"));

    if (!json_object_is_type(list, json_type_array))
        return error_set(err, E_PROTOCOL, "its reply has no results");
    if (length_of(list) == 0 && silent > 0)
        return error_set(err, E_UNAVAILABLE,
                         "%zu engines that it asks did not answer, and no other "
                         "found anything",
                         silent);
    for (size_t i = 0; i < length_of(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        const struct search_found found = {
            .title = json_get_text(item, "title"),
            .url = json_get_text(item, "url"),
            .snippet = json_get_text(item, "content"),
            .date = text_prefix(json_get_text(item, "publishedDate"), 10),
        };

        search_results_add(out, &found);
    }
    return 0;
}

static const char *explain(int status)
{
    return status == 403 ? "it gives no JSON: its settings need `json` in search.formats" : NULL;
}

const struct search_engine search_engine_searxng = {
    .kind = "searxng",
    .build = build,
    .read = read,
    .explain = explain,
};
