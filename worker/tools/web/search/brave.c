/* Brave Search. It says 200 also where its results are bad by its own word, or where it has none of
 * the web at all: both are failures. */

#include <stdio.h>

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "worker/tools/web/search/engine.h"

static const char *const ranges[] = {
    [FRESH_ANY] = NULL,   [FRESH_DAY] = "pd",  [FRESH_WEEK] = "pw",
    [FRESH_MONTH] = "pm", [FRESH_YEAR] = "py",
};

static void build(const struct search_ask *ask, const struct search_account *account,
                  struct search_request *out)
{
    CLEANUP(buf_deinit) struct buf query;
    char count[8];

    buf_init(&query, 0);
    search_query_write(ask, &query);
    out->method = "GET";
    buf_printf(&out->url, "%s/res/v1/web/search", account->base_url);
    search_url_add(out, "q", buf_text(&query));
    search_url_add(out, "count",
                   (struct text){count, (size_t)snprintf(count, sizeof(count), "%d", ask->count)});
    search_url_add(out, "result_filter", TEXT("web"));
    search_url_add(out, "text_decorations", TEXT("false"));
    if (ranges[ask->freshness])
        search_url_add(out, "freshness", text_of(ranges[ask->freshness]));
    out->headers[out->header_count++] =
        (struct http_header){TEXT("X-Subscription-Token"), text_of(account->api_key)};
    out->headers[out->header_count++] =
        (struct http_header){TEXT("Accept"), TEXT("application/json")};
}

/* "2026-11-30T08:00:00" by its day; else its words, such as "2 days ago". */
static struct text date_of(struct json_object *item)
{
    struct text date = json_get_text(item, "page_age");

    return date.len >= 10 ? text_prefix(date, 10) : json_get_text(item, "age");
}

static int read(struct json_object *reply, struct search_results *out, struct error *err)
{
    struct json_object *query = json_get(reply, "query");
    struct json_object *web = json_get(reply, "web");
    struct json_object *list = json_get(web, "results");

    if (json_object_get_boolean(json_get(query, "bad_results")))
        return error_set(err, E_UNAVAILABLE, "it says itself that its results are bad");
    if (!web)
        return error_set(err, E_UNAVAILABLE, "its reply has no results of the web");
    if (!json_object_is_type(list, json_type_array))
        return error_set(err, E_PROTOCOL, "its reply has no list of results");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        const struct search_found found = {
            .title = json_get_text(item, "title"),
            .url = json_get_text(item, "url"),
            .snippet = json_get_text(item, "description"),
            .date = date_of(item),
            .is_html = true,
        };

        search_results_add(out, &found);
    }
    return 0;
}

const struct search_engine search_engine_brave = {
    .kind = "brave",
    .build = build,
    .read = read,
};
