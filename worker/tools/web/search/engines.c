/* The table of engines, and what their requests have in common. */

#include "worker/tools/web/search/engine.h"

#define SITES_MAX 8 /* in a query */

static const struct search_engine *const engines[] = {
    &search_engine_searxng,
    &search_engine_brave,
    &search_engine_tavily,
};

const struct search_engine *search_engine_find(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LENGTH(engines); i++)
        if (strcmp(engines[i]->kind, kind) == 0)
            return engines[i];
    return NULL;
}

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void search_url_add(struct search_request *request, const char *name, struct text value)
{
    struct buf *url = &request->url;

    buf_add_char(url, url->len > 0 && memchr(url->ptr, '?', url->len) ? '&' : '?');
    buf_printf(url, "%s=", name);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if (is_plain(c))
            buf_add_char(url, (char)c);
        else
            buf_printf(url, "%%%02X", c);
    }
}

void search_query_write(const struct search_ask *ask, struct buf *out)
{
    const struct domain_rules *rules = &ask->rules;

    buf_add_text(out, ask->query);
    for (size_t i = 0; i < rules->allowed_count && rules->allowed_count <= SITES_MAX; i++)
        buf_printf(out, "%s site:%.*s", i ? " OR" : "", TEXT_ARGS(rules->allowed[i]));
}
