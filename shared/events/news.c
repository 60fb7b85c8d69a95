/* Lines of news. */

#include "shared/events/news.h"

static const char *const words[NEWS_KINDS] = {
    [NEWS_SETTLED] = "settled",
    [NEWS_CHANGED] = "changed",
    [NEWS_THREAD_GONE] = "thread_gone",
};

void news_begin(struct buf *line, enum news_kind kind)
{
    ASSERT(kind < NEWS_KINDS);
    buf_add_string(line, words[kind]);
}

void news_add(struct buf *line, struct uuid id)
{
    char text[UUID_TEXT_SIZE];

    uuid_format(id, text);
    buf_add_char(line, ' ');
    buf_add_string(line, text);
}

static bool find_kind(struct text word, enum news_kind *out)
{
    for (size_t i = 0; i < NEWS_KINDS; i++) {
        if (text_is(word, words[i])) {
            *out = (enum news_kind)i;
            return true;
        }
    }
    return false;
}

size_t news_read(struct text line, news_fn fn, void *arg)
{
    struct text word;
    struct text rest;
    enum news_kind kind;
    size_t count = 0;

    if (!text_cut(line, ' ', &word, &rest) || !find_kind(word, &kind))
        return 0;
    while (rest.len > 0 && count < NEWS_IDS_MAX) {
        struct uuid id;

        if (!text_cut(rest, ' ', &word, &rest)) {
            word = rest;
            rest = TEXT_NONE;
        }
        if (!uuid_parse(word, &id))
            continue;
        fn(kind, id, arg);
        count++;
    }
    return count;
}
