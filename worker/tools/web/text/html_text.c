/* The list of open elements is what a tree would be asked for: whether something is dropped, in
 * which main part it is, where a link began. An end tag ends the nearest element of its name, and
 * whatever is open within it; that of an element such as <b> does not reach beyond the block in
 * which it stands. Elements beyond the list's end are counted, so that their end tags end no other
 * ones.
 */

#include "worker/tools/web/text/html_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "worker/tools/web/text/html_elements.h"
#include "worker/tools/web/text/html_token.h"
#include "worker/tools/web/text/html_writer.h"
#include "worker/tools/web/text/page_url.h"

#define MAIN_MIN    200 /* bytes; a main part of less is filled by a script, or is none */
#define REGIONS_MAX 64
#define ALT_MAX     200

struct open_element {
    char name[HTML_NAME_SIZE];
    uint64_t hash; /* of the name */
    const struct html_element *element;
    bool drops;
    bool in_main; /* or an article */
    size_t link;  /* where its text begins; of <a> */
    struct text href;
};

/* A part of the text. */
struct region {
    bool main;
    size_t begin;
    size_t end;
    size_t depth; /* of its element, while that is open */
};

struct reading {
    struct html_writer writer;
    struct html_writer title_writer;
    struct html_page *page;
    char base[PAGE_URL_MAX + 1];
    struct open_element open[HTML_OPEN_MAX];
    size_t depth;
    size_t beyond;       /* elements that are open and have no place in the list */
    size_t beyond_drops; /* the first of them that drops what is in it; 0: none does */
    struct region regions[REGIONS_MAX];
    size_t region_count;
    bool in_title;
    bool titled;
    bool is_xml;
    size_t links;
    int cells; /* of the row, so far */
};

void html_page_init(struct html_page *page)
{
    buf_init(&page->title, HTML_TITLE_MAX * 4);
    buf_init(&page->text, 8 * HTML_TEXT_BYTES);
    page->is_cut = false;
}

void html_page_deinit(struct html_page *page)
{
    buf_deinit(&page->title);
    buf_deinit(&page->text);
}

static struct open_element *top_of(struct reading *reading)
{
    return reading->depth > 0 ? &reading->open[reading->depth - 1] : NULL;
}

static bool drops(struct reading *reading)
{
    const struct open_element *top = top_of(reading);

    return reading->beyond_drops > 0 || (top && top->drops);
}

/* ---- what is hidden ---- */

/* A style without blanks, in lower case, has it. */
static bool style_hides(struct text style)
{
    static const char *const hiding[] = {"display:none",  "visibility:hidden", "font-size:0;",
                                         "font-size:0px", "opacity:0;",        "text-indent:-9999"};
    char plain[256];
    size_t len = 0;

    for (size_t i = 0; i < style.len && len < sizeof(plain) - 2; i++) {
        char c = style.ptr[i];

        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            plain[len++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    plain[len++] = ';'; /* so that the last one ends as all do */
    plain[len] = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(hiding); i++)
        if (strstr(plain, hiding[i]))
            return true;
    return false;
}

/* Whole pages that are hidden are shown by their scripts. */
static bool is_hidden(const struct html_token *tag)
{
    if (strcmp(tag->name, "body") == 0 || strcmp(tag->name, "html") == 0)
        return false;
    return html_attribute(tag, "hidden").ptr ||
           text_is_nocase(text_trim(html_attribute(tag, "aria-hidden")), "true") ||
           style_hides(html_attribute(tag, "style"));
}

static bool is_side(const struct html_token *tag, const struct html_element *element)
{
    struct text role = text_trim(html_attribute(tag, "role"));

    return (element->flags & HTML_SIDE) || text_is_nocase(role, "navigation");
}

static bool is_main(const struct html_token *tag, const struct html_element *element)
{
    return (element->flags & HTML_MAIN) ||
           text_is_nocase(text_trim(html_attribute(tag, "role")), "main");
}

/* ---- links ---- */

/* " (address)" behind the words of a link, if it leads somewhere else than the words say. */
static void end_link(struct reading *reading, const struct open_element *link)
{
    struct buf *out = reading->writer.out;
    char url[PAGE_URL_MAX + 1];
    CLEANUP(buf_deinit) struct buf href = {0};
    struct html_writer writer;
    struct text words;

    if (!link->href.ptr || out->len <= link->link || reading->links >= HTML_LINKS_MAX ||
        link->href.len > PAGE_URL_MAX || text_starts(text_trim(link->href), "#"))
        return;
    buf_init(&href, 0);
    html_writer_init(&writer, &href);
    writer.as_is = true;
    html_writer_text(&writer, text_trim(link->href));
    if (!page_url_join(text_of(reading->base), buf_text(&href), url))
        return;
    words = text_trim((struct text){out->ptr + link->link, out->len - link->link});
    if (words.len == 0 || text_is(words, url))
        return;
    reading->links++;
    buf_printf(out, " (%s)", url);
}

/* ---- elements ---- */

static void begin_region(struct reading *reading, bool main)
{
    struct region *region;

    for (size_t i = 0; i < reading->region_count; i++)
        if (reading->regions[i].depth > 0 && (!main || reading->regions[i].main))
            return; /* within another one */
    if (reading->region_count == REGIONS_MAX)
        return;
    region = &reading->regions[reading->region_count++];
    *region =
        (struct region){.main = main, .begin = reading->page->text.len, .depth = reading->depth};
}

static void end_regions(struct reading *reading)
{
    for (size_t i = 0; i < reading->region_count; i++) {
        struct region *region = &reading->regions[i];

        if (region->depth <= reading->depth || region->depth == 0)
            continue;
        region->end = reading->page->text.len;
        region->depth = 0;
    }
}

static void leave_element(struct reading *reading)
{
    struct open_element *top = top_of(reading);
    unsigned flags = top->element->flags;

    if (!top->drops && strcmp(top->name, "a") == 0)
        end_link(reading, top);
    if (!top->drops && (flags & HTML_BLOCK))
        html_writer_break(&reading->writer, flags & HTML_APART ? 2 : 1);
    if (flags & HTML_AS_IS)
        reading->writer.as_is = false;
    if (strcmp(top->name, "title") == 0)
        reading->in_title = false;
    reading->depth--;
    end_regions(reading);
}

static void leave_down_to(struct reading *reading, size_t depth)
{
    while (reading->depth > depth)
        leave_element(reading);
}

/* Ends what is open and can't have this one in it. */
static void end_implied(struct reading *reading, const struct html_element *element)
{
    if (!element->ends)
        return;
    for (size_t at = reading->depth; at > 0; at--) {
        const struct html_element *open = reading->open[at - 1].element;

        if (open->group & element->ends)
            leave_down_to(reading, at - 1);
        else if (open->flags & HTML_CONTAINER)
            return;
        else if ((open->flags & HTML_CELL) && !(element->ends & HTML_OF_CELLS))
            return;
    }
}

static void write_begin(struct reading *reading, const struct html_token *tag,
                        const struct html_element *element)
{
    struct html_writer *writer = &reading->writer;

    if (element->flags & HTML_BLOCK)
        html_writer_break(writer, element->flags & HTML_APART ? 2 : 1);
    if (element->flags & HTML_AS_IS)
        writer->as_is = true;
    if (element->heading > 0) {
        static const char *const marks[] = {"# ", "## ", "### ", "#### ", "##### ", "###### "};

        writer->bullet = marks[element->heading - 1];
    }
    if (strcmp(tag->name, "li") == 0)
        writer->bullet = "- ";
    if (strcmp(tag->name, "tr") == 0)
        reading->cells = 0;
    if ((element->flags & HTML_CELL) && reading->cells++ > 0 && html_writer_in_line(writer))
        html_writer_mark(writer, " | ");
}

static void enter_element(struct reading *reading, const struct html_token *tag,
                          const struct html_element *element)
{
    const struct open_element *parent = top_of(reading);
    struct open_element *open = &reading->open[reading->depth];
    bool in_main = parent && parent->in_main;
    bool main = is_main(tag, element);
    bool dropped = drops(reading) || (element->flags & HTML_DROPPED) || is_hidden(tag) ||
                   (!in_main && is_side(tag, element));

    *open = (struct open_element){
        .hash = text_hash(text_of(tag->name)),
        .element = element,
        .drops = dropped,
        .in_main = in_main || main || (element->flags & HTML_ARTICLE),
        .link = reading->page->text.len,
    };
    (void)snprintf(open->name, sizeof(open->name), "%s", tag->name);
    if (strcmp(tag->name, "a") == 0)
        open->href = html_attribute(tag, "href");
    reading->depth++;
    if (strcmp(tag->name, "title") == 0 && !reading->titled && !dropped)
        reading->in_title = reading->titled = true;
    if (dropped)
        return;
    write_begin(reading, tag, element);
    if (main || (element->flags & HTML_ARTICLE))
        begin_region(reading, main);
}

static void write_image(struct reading *reading, const struct html_token *tag)
{
    struct text alt = text_trim(html_attribute(tag, "alt"));

    if (alt.len == 0)
        return;
    html_writer_mark(&reading->writer, "[image: ");
    html_writer_text(&reading->writer, text_prefix(alt, ALT_MAX));
    reading->writer.blank = false;
    html_writer_mark(&reading->writer, "]");
}

/* The first one counts, as in browsers. */
static void set_base(struct reading *reading, const struct html_token *tag)
{
    char url[PAGE_URL_MAX + 1];

    if (page_url_join(text_of(reading->base), html_attribute(tag, "href"), url))
        (void)snprintf(reading->base, sizeof(reading->base), "%s", url);
}

static void take_void(struct reading *reading, const struct html_token *tag)
{
    if (strcmp(tag->name, "base") == 0)
        set_base(reading, tag);
    if (drops(reading) || is_hidden(tag))
        return;
    if (strcmp(tag->name, "br") == 0)
        html_writer_break(&reading->writer, 1);
    else if (strcmp(tag->name, "hr") == 0)
        html_writer_break(&reading->writer, 2);
    else if (strcmp(tag->name, "img") == 0)
        write_image(reading, tag);
}

static void take_start(struct reading *reading, const struct html_token *tag)
{
    const struct html_element *element = html_element_find(tag->name);

    if ((element->flags & HTML_VOID) || (reading->is_xml && tag->closed)) {
        take_void(reading, tag);
        return;
    }
    if (reading->beyond == 0)
        end_implied(reading, element);
    if (reading->depth < HTML_OPEN_MAX) {
        enter_element(reading, tag, element);
        return;
    }
    reading->beyond++;
    if (reading->beyond_drops == 0 && ((element->flags & HTML_DROPPED) || is_hidden(tag)))
        reading->beyond_drops = reading->beyond;
}

static void take_end(struct reading *reading, const struct html_token *tag)
{
    const struct html_element *element = html_element_find(tag->name);
    bool block = element->flags & (HTML_BLOCK | HTML_CELL | HTML_CONTAINER | HTML_DROPPED);
    uint64_t hash = text_hash(text_of(tag->name));

    if (element->flags & HTML_VOID)
        return;
    if (reading->beyond > 0) {
        if (reading->beyond_drops == reading->beyond)
            reading->beyond_drops = 0;
        reading->beyond--;
        return;
    }
    for (size_t at = reading->depth; at > 0; at--) {
        const struct open_element *open = &reading->open[at - 1];

        if (open->hash == hash && strcmp(open->name, tag->name) == 0) {
            leave_down_to(reading, at - 1);
            return;
        }
        if (!block && (open->element->flags & (HTML_CONTAINER | HTML_CELL)))
            return;
    }
}

static void take_text(struct reading *reading, struct text text)
{
    if (reading->in_title) {
        if (reading->page->title.len < HTML_TITLE_MAX)
            html_writer_text(&reading->title_writer,
                             text_prefix(text, HTML_TITLE_MAX - reading->page->title.len));
    } else if (!drops(reading)) {
        html_writer_text(&reading->writer, text);
    }
}

/* ---- the main part ---- */

static size_t bytes_of(const struct reading *reading, bool main)
{
    size_t bytes = 0;

    for (size_t i = 0; i < reading->region_count; i++)
        if (reading->regions[i].main == main)
            bytes += reading->regions[i].end - reading->regions[i].begin;
    return bytes;
}

/* Articles beside much else may be teasers of others. */
static bool chooses(const struct reading *reading, bool main)
{
    size_t bytes = bytes_of(reading, main);

    return bytes >= MAIN_MIN && (main || bytes * 2 >= reading->page->text.len);
}

static void keep_regions(struct reading *reading, bool main)
{
    struct buf *text = &reading->page->text;
    size_t to = 0;

    for (size_t i = 0; i < reading->region_count; i++) {
        const struct region *region = &reading->regions[i];

        if (region->main != main)
            continue;
        memmove(text->ptr + to, text->ptr + region->begin, region->end - region->begin);
        to += region->end - region->begin;
    }
    text->len = to;
    text->ptr[to] = 0;
}

static void trim(struct buf *text)
{
    struct text trimmed = text_trim(buf_text(text));
    size_t front = trimmed.len > 0 ? (size_t)(trimmed.ptr - text->ptr) : text->len;

    if (text->len == 0)
        return;
    text->len = front + trimmed.len;
    text->ptr[text->len] = 0;
    buf_consume(text, front);
}

static void choose_part(struct reading *reading)
{
    if (chooses(reading, true))
        keep_regions(reading, true);
    else if (chooses(reading, false))
        keep_regions(reading, false);
    trim(&reading->page->text);
}

void html_to_text(const struct html_source *source, struct html_page *out)
{
    struct reading *reading = xcalloc(1, sizeof(*reading));
    struct html_token *token = xcalloc(1, sizeof(*token));
    struct html_reader reader;

    reading->page = out;
    html_writer_init(&reading->writer, &out->text);
    html_writer_init(&reading->title_writer, &out->title);
    (void)snprintf(reading->base, sizeof(reading->base), "%.*s",
                   TEXT_ARGS(text_prefix(source->base, PAGE_URL_MAX)));
    reading->is_xml = source->is_xml;
    html_reader_init(&reader, source->html, source->is_xml);
    while (html_next(&reader, token)) {
        if (out->text.len > HTML_TEXT_BYTES) {
            out->is_cut = true;
            break;
        }
        if (token->kind == HTML_TEXT)
            take_text(reading, token->text);
        else if (token->kind == HTML_START)
            take_start(reading, token);
        else
            take_end(reading, token);
    }
    leave_down_to(reading, 0);
    choose_part(reading);
    free(token);
    free(reading);
}
