/* What the endpoints share: failures of the store, ids in paths, pages of lists. */

#include "scheduler/api/request.h"

#include <stdio.h>

int request_failed(struct request *request, const struct error *err)
{
    if (err->code == E_LIMIT) {
        (void)failure_param(&request->failure, 400, NULL, NULL,
                            "This is too large for one request: ask for less at once, with a "
                            "smaller 'limit' or fewer messages.");
        snprintf(request->failure.cause, sizeof(request->failure.cause), "%s", err->text);
        return -E_INVALID;
    }
    return failure_from_error(&request->failure, err);
}

int request_missing(struct request *request, const char *what, struct text id)
{
    char shown[64];

    text_excerpt(id, shown, sizeof(shown));
    return failure_param(&request->failure, 404, NULL, NULL, "No %s found with id '%s'.", what,
                         shown);
}

int request_id(struct request *request, size_t index, enum id_kind kind, const char *what,
               struct uuid *out)
{
    struct text text = request->exchange->params[index];

    if (id_parse(kind, text, out))
        return 0;
    return request_missing(request, what, text);
}

static int read_limit(struct request *request, int *out)
{
    struct text text = http_query_get(request->exchange, "limit", 0);
    int64_t limit;

    *out = 20;
    if (!text.ptr)
        return 0;
    if (!text_to_int(text, &limit))
        return failure_param(&request->failure, 400, "limit", "invalid_type",
                             "Invalid type for 'limit': expected an integer, but got a string "
                             "instead.");
    if (limit > 100)
        return failure_param(&request->failure, 400, "limit", "integer_above_max_value",
                             "Invalid 'limit': integer above maximum value. Expected a value <= "
                             "100, but got %lld instead.",
                             (long long)limit);
    if (limit < 1)
        return failure_param(&request->failure, 400, "limit", "integer_below_min_value",
                             "Invalid 'limit': integer below minimum value. Expected a value >= 1, "
                             "but got %lld instead.",
                             (long long)limit);
    *out = (int)limit;
    return 0;
}

static int read_cursor(struct request *request, const char *name, enum id_kind kind,
                       struct uuid *out)
{
    struct text text = http_query_get(request->exchange, name, 0);
    char shown[64];

    if (text.len == 0 || (id_parse(kind, text, out) && !uuid_is_zero(*out)))
        return 0;
    text_excerpt(text, shown, sizeof(shown));
    return failure_param(&request->failure, 400, name, "invalid_value",
                         "Invalid '%s': '%s'. Expected the id of an element of this list, which "
                         "begins with '%s'.",
                         name, shown, id_prefix(kind));
}

int request_cursor_missing(struct request *request)
{
    const char *name = http_query_get(request->exchange, "after", 0).len ? "after" : "before";
    char shown[64];

    text_excerpt(http_query_get(request->exchange, name, 0), shown, sizeof(shown));
    return failure_param(&request->failure, 400, name, "invalid_value",
                         "Invalid '%s': '%s' is not in this list.", name, shown);
}

int request_limit_and_order(struct request *request, struct page *out)
{
    struct text order = http_query_get(request->exchange, "order", 0);
    struct page page = {0};
    char shown[32];
    int r = read_limit(request, &page.limit);

    if (r < 0)
        return r;
    page.ascending = text_is(order, "asc");
    if (order.ptr && !page.ascending && !text_is(order, "desc")) {
        text_excerpt(order, shown, sizeof(shown));
        return failure_param(&request->failure, 400, "order", "invalid_value",
                             "Invalid value: '%s'. Supported values are: 'asc' and 'desc'.", shown);
    }
    *out = page;
    return 0;
}

int request_page(struct request *request, enum id_kind kind, struct page *out)
{
    int r = request_limit_and_order(request, out);

    if (r == 0)
        r = read_cursor(request, "after", kind, &out->after);
    if (r == 0)
        r = read_cursor(request, "before", kind, &out->before);
    return r;
}

struct text request_json(struct request *request, const char *name)
{
    struct json_object *value = json_get(request->body, name);

    return value ? json_text(value) : TEXT_NONE;
}
