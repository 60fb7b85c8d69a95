/* Any bytes become a text that is UTF-8, by way of any charset, within their limits; twice the same
 * gives the same; and whatever robots.txt they are, its rules can be asked. */

#include "worker/tools/web/robots.h"
#include "worker/tools/web/text/charset.h"
#include "worker/tools/web/text/html_text.h"
#include "worker/tools/web/text/media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_page(struct text body, bool is_xml, struct html_page *page)
{
    CLEANUP(buf_deinit) struct buf decoded;
    struct html_source source = {.base = TEXT("https://site.example/a/b"), .is_xml = is_xml};
    size_t skip;
    const char *charset = charset_find(TEXT("text/html"), body, &skip);

    buf_init(&decoded, 0);
    ASSERT(skip <= body.len);
    ASSERT(charset_decode(charset, (struct text){body.ptr + skip, body.len - skip}, &decoded));
    ASSERT(text_is_utf8(buf_text(&decoded)));
    source.html = buf_text(&decoded);
    html_page_init(page);
    html_to_text(&source, page);
    ASSERT(!page->text.failed && text_is_utf8(buf_text(&page->text)));
    ASSERT(!page->title.failed && text_is_utf8(buf_text(&page->title)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text body = {(const char *)data, size};
    struct html_page first;
    struct html_page again;
    struct robots robots;

    read_page(body, size % 2, &first);
    read_page(body, size % 2, &again);
    ASSERT(text_equal(buf_text(&first.text), buf_text(&again.text)));
    html_page_deinit(&first);
    html_page_deinit(&again);
    ASSERT(media_of(body, body) <= MEDIA_OTHER);
    robots_parse(body, &robots);
    IGNORE(robots_allow(&robots, body));
    robots_deinit(&robots);
    return 0;
}
