/* Tests of the lines of news. Pure. */

#include <criterion/criterion.h>

#include "shared/events/news.h"

struct heard {
    struct {
        enum news_kind kind;
        struct uuid id;
    } items[NEWS_IDS_MAX + 8];
    size_t count;
};

static void hear(enum news_kind kind, struct uuid id, void *arg)
{
    struct heard *heard = arg;

    cr_assert_lt(heard->count, sizeof(heard->items) / sizeof(heard->items[0]));
    heard->items[heard->count].kind = kind;
    heard->items[heard->count++].id = id;
}

static struct heard heard;

Test(news, what_is_written_is_read)
{
    for (enum news_kind kind = 0; kind < NEWS_KINDS; kind++) {
        struct uuid ids[3] = {uuid_new(), uuid_new(), uuid_new()};
        CLEANUP(buf_deinit) struct buf line;

        heard.count = 0;
        buf_init(&line, 0);
        news_begin(&line, kind);
        for (size_t i = 0; i < 3; i++)
            news_add(&line, ids[i]);
        cr_assert_eq(news_read(buf_text(&line), hear, &heard), 3);
        cr_assert_eq(heard.count, 3);
        for (size_t i = 0; i < 3; i++) {
            cr_assert_eq(heard.items[i].kind, kind);
            cr_assert(uuid_equal(heard.items[i].id, ids[i]));
        }
    }
}

Test(news, what_is_no_news_is_passed_over)
{
    static const char *const lines[] = {
        "",
        " ",
        "settled",
        "settled ",
        "unheard_of 0195f3a2-0000-7000-8000-000000000001",
        "settle 0195f3a2-0000-7000-8000-000000000001",
        "settled 0195f3a2-0000-7000-8000-00000000000",
        "settled  ,x -",
        "0195f3a2-0000-7000-8000-000000000001 settled",
    };

    heard.count = 0;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        cr_assert_eq(news_read(text_of(lines[i]), hear, &heard), 0, "%s", lines[i]);
    cr_assert_eq(heard.count, 0);
    cr_assert_eq(news_read(TEXT("settled x 0195f3a2-0000-7000-8000-000000000001 y"), hear, &heard),
                 1);
}

Test(news, of_a_line_without_end_only_so_many_are_read)
{
    CLEANUP(buf_deinit) struct buf line;

    heard.count = 0;
    buf_init(&line, 0);
    news_begin(&line, NEWS_SETTLED);
    for (size_t i = 0; i < NEWS_IDS_MAX + 5; i++)
        news_add(&line, uuid_new());
    cr_assert_eq(news_read(buf_text(&line), hear, &heard), NEWS_IDS_MAX);
    cr_assert_eq(heard.count, NEWS_IDS_MAX);
}
