/* Lists: their query, and the frame around their elements. */

#include "scheduler/api/listing.h"

#include <inttypes.h>
#include <stdio.h>

const char *const listing_query[] = {LISTING_QUERY, NULL};

#define LIMIT_DEFAULT 20
#define LIMIT_MAX     100

static int read_limit(struct request *request, int64_t limit, int max, int *out)
{
    const struct field field = {.name = "limit", .kind = FIELD_INTEGER, .min = 1, .max = max};
    struct text text = http_query_get(request->exchange, "limit", 0);

    if (text.ptr && !text_to_int(text, &limit))
        return failure_param(&request->failure, 400, "limit", "invalid_type",
                             "Invalid type for 'limit': expected an integer, but got a string "
                             "instead.");
    *out = (int)limit;
    return fields_check_integer(&field, limit, &request->failure);
}

static int read_order(struct request *request, bool *out_ascending)
{
    static const char *const words[] = {"asc", "desc", NULL};
    struct path path = {NULL, "order", 0};
    struct text order = http_query_get(request->exchange, "order", 0);

    *out_ascending = text_is(order, "asc");
    return order.ptr ? fields_word(order, words, &path, &request->failure) : 0;
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

static int begin(struct listing *list, struct request *request, int limit, int max)
{
    int r;

    *list = (struct listing){.out = &request->reply, .page.bytes_max = LISTING_BYTES_MAX};
    r = read_limit(request, limit, max, &list->page.limit);
    if (r == 0)
        r = read_order(request, &list->page.ascending);
    buf_add_string(list->out, "{\"object\":\"list\",\"data\":[");
    return r;
}

int listing_begin_numbers(struct listing *list, struct request *request)
{
    return begin(list, request, LIMIT_DEFAULT, LIMIT_MAX);
}

static int begin_ids(struct listing *list, struct request *request, enum id_kind kind, int r)
{
    list->kind = kind;
    if (r == 0)
        r = read_cursor(request, "after", kind, &list->page.after);
    if (r == 0)
        r = read_cursor(request, "before", kind, &list->page.before);
    return r;
}

int listing_begin(struct listing *list, struct request *request, enum id_kind kind)
{
    return begin_ids(list, request, kind, begin(list, request, LIMIT_DEFAULT, LIMIT_MAX));
}

int listing_begin_long(struct listing *list, struct request *request, enum id_kind kind, int max)
{
    return begin_ids(list, request, kind, begin(list, request, max, max));
}

static int read_text_cursor(struct request *request, const char *name, size_t max, struct text *out)
{
    struct text text = http_query_get(request->exchange, name, 0);

    *out = text.len > 0 ? text : TEXT_NONE;
    if (text_is_utf8(text) && text_characters(text) <= max)
        return 0;
    return failure_param(&request->failure, 400, name, "invalid_value",
                         "Invalid '%s': expected at most %zu characters in UTF-8.", name, max);
}

int listing_begin_texts(struct listing *list, struct request *request, size_t max,
                        struct text *out_after, struct text *out_before)
{
    int r = listing_begin_numbers(list, request);

    if (r == 0)
        r = read_text_cursor(request, "after", max, out_after);
    if (r == 0)
        r = read_text_cursor(request, "before", max, out_before);
    return r;
}

static void add(struct listing *list)
{
    if (list->count++ > 0) {
        buf_add_char(list->out, ',');
        return;
    }
    memcpy(list->first, list->last, sizeof(list->first));
    list->first_text = list->last_text;
}

void listing_add(struct listing *list, struct uuid id)
{
    id_format(list->kind, id, list->last);
    add(list);
}

void listing_add_number(struct listing *list, int64_t number)
{
    snprintf(list->last, sizeof(list->last), "%" PRId64, number);
    add(list);
}

void listing_add_text(struct listing *list, struct text text)
{
    list->last_text = text;
    add(list);
}

static void add_cursor(struct listing *list, const char *name, const char *id, struct text text)
{
    buf_add_string(list->out, name);
    if (text.ptr)
        buf_add_json(list->out, text);
    else
        buf_add_json_string(list->out, list->count ? id : NULL);
}

void listing_end(struct listing *list, bool has_more)
{
    add_cursor(list, "],\"first_id\":", list->first, list->first_text);
    add_cursor(list, ",\"last_id\":", list->last, list->last_text);
    buf_add_string(list->out, has_more ? ",\"has_more\":true}" : ",\"has_more\":false}");
}
