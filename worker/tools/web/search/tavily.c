/* Tavily, which takes domains as such. */

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/json/json_write.h"
#include "worker/tools/web/search/engine.h"

#define DOMAINS_MAX 150 /* in a list of theirs */

static const char *const ranges[] = {
    [FRESH_ANY] = NULL,      [FRESH_DAY] = "day",   [FRESH_WEEK] = "week",
    [FRESH_MONTH] = "month", [FRESH_YEAR] = "year",
};

static void write_domains(struct json_write *w, const char *name, const struct text *domains,
                          size_t count)
{
    if (count == 0)
        return;
    json_write_open_array(w, name);
    for (size_t i = 0; i < count && i < DOMAINS_MAX; i++)
        json_write_text(w, NULL, domains[i]);
    json_write_close(w);
}

static void build(const struct search_ask *ask, const struct search_account *account,
                  struct search_request *out)
{
    struct json_write w;

    out->method = "POST";
    buf_printf(&out->url, "%s/search", account->base_url);
    json_write_init(&w, &out->body);
    json_write_open_object(&w, NULL);
    json_write_text(&w, "query", ask->query);
    json_write_int(&w, "max_results", ask->count);
    json_write_bool(&w, "include_answer", false);
    if (ranges[ask->freshness])
        json_write_string(&w, "time_range", ranges[ask->freshness]);
    write_domains(&w, "include_domains", ask->rules.allowed, ask->rules.allowed_count);
    write_domains(&w, "exclude_domains", ask->rules.blocked, ask->rules.blocked_count);
    json_write_close(&w);
    buf_printf(&out->secret, "Bearer %s", account->api_key);
    out->headers[out->header_count++] =
        (struct http_header){TEXT("Authorization"), buf_text(&out->secret)};
    out->headers[out->header_count++] =
        (struct http_header){TEXT("Content-Type"), TEXT("application/json")};
}

static int read(struct json_object *reply, struct search_results *out, struct error *err)
{
    struct json_object *list = json_get(reply, "results");

    if (!json_object_is_type(list, json_type_array))
        return error_set(err, E_PROTOCOL, "its reply has no results");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        const struct search_found found = {
            .title = json_get_text(item, "title"),
            .url = json_get_text(item, "url"),
            .snippet = json_get_text(item, "content"),
            .date = json_get_text(item, "published_date"),
        };

        search_results_add(out, &found);
    }
    return 0;
}

static const char *explain(int status)
{
    return status == 432 || status == 433 ? "what its plan allows is used up" : NULL;
}

const struct search_engine search_engine_tavily = {
    .kind = "tavily",
    .build = build,
    .read = read,
    .explain = explain,
};
