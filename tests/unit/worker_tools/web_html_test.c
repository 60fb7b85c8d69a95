/* Pages to texts: HTML, charsets, kinds of media, addresses. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "worker/tools/web/text/charset.h"
#include "worker/tools/web/text/html_entity.h"
#include "worker/tools/web/text/html_text.h"
#include "worker/tools/web/text/html_token.h"
#include "worker/tools/web/text/media.h"
#include "worker/tools/web/text/page_url.h"

#define BASE "https://site.example/dir/page"

static void check(const char *html, const char *expected)
{
    const struct html_source source = {.html = text_of(html), .base = TEXT(BASE)};
    struct html_page page;

    html_page_init(&page);
    html_to_text(&source, &page);
    cr_assert_str_eq(buf_string(&page.text), expected, "of %s: [%s]", html, buf_string(&page.text));
    html_page_deinit(&page);
}

static void check_title(const char *html, const char *expected)
{
    const struct html_source source = {.html = text_of(html), .base = TEXT(BASE)};
    struct html_page page;

    html_page_init(&page);
    html_to_text(&source, &page);
    cr_assert_str_eq(buf_string(&page.title), expected, "of %s: [%s]", html,
                     buf_string(&page.title));
    html_page_deinit(&page);
}

Test(html_text, has_the_words_with_white_space_as_people_see_it)
{
    check("", "");
    check("plain words", "plain words");
    check("  a \n\t b&nbsp;&nbsp;c  ", "a b c");
    check("<b>bo</b>ld and <i>it</i>", "bold and it");
    check("<p>one<p>two", "one\n\ntwo");
    check("<div>one</div><div>two</div>", "one\ntwo");
    check("one<br>two<br/>three", "one\ntwo\nthree");
    check("<pre>a\n  b\n</pre>c", "a\n  b\n\n\nc");
    check("a<hr>b", "a\n\nb");
    check("x<wbr>y", "xy");
}

Test(html_text, marks_headings_items_rows_and_images)
{
    check("<h1>Top</h1>text<h3> Sub </h3>more", "# Top\n\ntext\n\n### Sub\n\nmore");
    check("<ul><li>a<li>b</ul>c", "- a\n- b\n\nc");
    check("<ul><li>a<ul><li>inner</ul><li>b</ul>", "- a\n\n- inner\n\n- b");
    check("<dl><dt>term<dd>what it is<dt>next</dl>", "term\nwhat it is\nnext");
    check("<table><tr><th>a<th>b<tr><td>1<td>2</table>", "a | b\n1 | 2");
    check("<table><tbody><tr><td>1</td><td>2</td></tr></tbody></table>", "1 | 2");
    check("<img alt='A cat' src=x>", "[image: A cat]");
    check("<img src=x><img alt=''>", "");
    check("<h2></h2>text", "## text");
}

Test(html_text, gives_links_their_addresses)
{
    check("<a href='/x?y=1#z'>Go</a> on", "Go (https://site.example/x?y=1) on");
    check("<a href='other'>Go</a>", "Go (https://site.example/dir/other)");
    check("<a href='http://a.example/'>http://a.example/</a>", "http://a.example/");
    check("<a href='#top'>up</a><a href='javascript:x()'>do</a><a href='mailto:a@b'>mail</a>",
          "updomail");
    check("<a href='x?a=1&amp;b=2'>Go</a>", "Go (https://site.example/dir/x?a=1&b=2)");
    check("<a href='https://user:secret@a.example/'>Go</a>", "Go");
    check("<base href='https://b.example/c/'><a href=d>Go</a>", "Go (https://b.example/c/d)");
    check("<a href=x></a>text", "text");
    check("<a>no link</a>", "no link");
    check("<a href=//a.example/b>Go</a>", "Go (https://a.example/b)");
}

Test(html_text, leaves_out_what_people_do_not_see)
{
    check("a<script>if (x < 1) alert('</b>')</script>b", "ab");
    check("a<style>p { color: red }</style>b", "ab");
    check("a<!-- hidden --> b<!---->c<!-->d", "a bcd");
    check("a<div hidden>secret</div>b", "ab");
    check("<p hidden>secret<p>seen", "seen");
    check("<div aria-hidden=true><b>secret</div>seen", "seen");
    check("<span style='display: none'>secret</span>seen", "seen");
    check("<span style='COLOR:red;DISPLAY:NONE'>secret</span>seen", "seen");
    check("<span style='visibility:hidden'>secret</span>seen", "seen");
    check("<span style='font-size:0'>secret</span>seen", "seen");
    check("<span style='font-size:0.9em;opacity:0.5'>seen</span>", "seen");
    check("<div hidden><div>secret</div>secret</div>seen", "seen");
    check("<template>secret</template><noscript>secret</noscript><svg><text>s</text></svg>seen",
          "seen");
    check("<select><option>one<option>two</select><textarea>t</textarea>seen", "seen");
    check("<body style='opacity:0'><p>seen</body>", "seen");
    check("se\xe2\x80\x8b"
          "en\xe2\x80\xae\xf3\xa0\x81\x81\xef\xbb\xbf!",
          "seen!");
    check("a&#x202e;b&#xe0041;c", "abc");
    check("<nav>menu</nav>text<footer>imprint</footer>", "text");
    check("<div role=navigation>menu</div>text", "text");
}

Test(html_text, is_the_main_part_where_there_is_one)
{
    static const char words[] =
        "Words that are many enough to be the main part of a page, which "
        "has to have two hundred bytes, so that a part that is filled by a "
        "script later, and has next to nothing in it, is not taken for it, nor chosen.";
    CLEANUP(buf_deinit) struct buf html;

    buf_init(&html, 0);
    buf_printf(&html, "<header>Name of site</header><p>aside</p><main><nav>in</nav>%s</main>end",
               words);
    {
        CLEANUP(buf_deinit) struct buf expected;

        buf_init(&expected, 0);
        buf_printf(&expected, "in\n%s", words);
        check(buf_string(&html), buf_string(&expected));
    }
    buf_reset(&html);
    buf_printf(&html, "x<div role='main'>%s</div>y", words);
    check(buf_string(&html), words);
    buf_reset(&html);
    buf_printf(&html, "x<article>%s</article>y", words);
    check(buf_string(&html), words);
    buf_reset(&html);
    buf_printf(&html, "x<main>%s", words); /* it is not closed */
    check(buf_string(&html), words);
    check("a<main>little</main>b", "a\nlittle\nb");
    check("a<article>little</article>b", "a\nlittle\nb");
}

Test(html_text, has_the_title_apart)
{
    check_title("<title> A &amp; B\n</title>text", "A & B");
    check_title("<title>One</title><title>Two</title>", "One");
    check_title("<title>a <b>b</title>", "a <b>b");
    check_title("<svg><title>icon</title></svg>", "");
    check("<head><title>A</title></head><body>b", "b");
}

Test(html_text, survives_what_is_no_html)
{
    check("a < b && c > d", "a < b && c > d");
    check("1 <2", "1 <2");
    check("<", "<");
    check("</", "");
    check("a</>b", "ab");
    check("<a", "");
    check("<a href='x", "");
    check("<!doctype html>a<?php x ?>b<![CDATA[c]]>d", "abd");
    check("<p =x ='y'>a", "a");
    check("<p/ /x/>a", "a");
    check("</p></div></x>a</b>", "a");
    check("<script>never ends", "");
    check("<!-- never ends", "");
    check("<title>never ends", "");
    check("&bogus; &amp &#xd800; &#0; &#99999999999; & &;", "&bogus; & \xef\xbf\xbd \xef\xbf\xbd "
                                                            "\xef\xbf\xbd & &;");
    check("\xff\xfe"
          "a\xc3",
          "a");
    check("<b><div>x</b>y</div>z", "xy\nz");
}

Test(html_text, takes_elements_of_xhtml_that_are_closed_at_once)
{
    const struct html_source source = {
        .html = TEXT("<?xml version='1.0'?><div><script src='x'/><p hidden='hidden'/>seen</div>"),
        .base = TEXT(BASE),
        .is_xml = true,
    };
    struct html_page page;

    html_page_init(&page);
    html_to_text(&source, &page);
    cr_assert_str_eq(buf_string(&page.text), "seen");
    html_page_deinit(&page);
}

Test(html_text, keeps_hidden_what_is_deeper_than_its_list_of_elements)
{
    CLEANUP(buf_deinit) struct buf html;

    buf_init(&html, 0);
    for (int i = 0; i < 5000; i++)
        buf_add_string(&html, "<div>");
    buf_add_string(&html, "deep<div hidden>secret<div>secret</div></div>seen");
    for (int i = 0; i < 5000; i++)
        buf_add_string(&html, "</div>");
    buf_add_string(&html, "<p>end");
    check(buf_string(&html), "deepseen\n\nend");
}

/* An '@' in the piece is a number, another one each time.
 *
 * Twenty times as much takes at most some sixty times as long: an order of n squared would be four
 * hundred. */
static int64_t took_us(const char *piece, const char *closing, size_t bytes)
{
    CLEANUP(buf_deinit) struct buf html;
    struct html_source source = {.base = TEXT(BASE)};
    struct html_page page;
    int64_t since_us;

    buf_init(&html, 0);
    buf_add_string(&html, closing);
    for (size_t i = 0; html.len < bytes; i++)
        for (const char *at = piece; *at; at++) {
            if (*at == '@')
                buf_add_int(&html, (int64_t)i);
            else
                buf_add_char(&html, *at);
        }
    source.html = buf_text(&html);
    html_page_init(&page);
    since_us = clock_us();
    html_to_text(&source, &page);
    since_us = clock_us() - since_us;
    html_page_deinit(&page);
    return since_us;
}

Test(html_text, takes_time_by_the_length_of_a_page_whatever_it_is)
{
    static const struct {
        const char *piece;
        const char *before;
    } hostile[] = {
        {"a@ ", "<a "},   {"<div>", ""},    {"<b><li>", ""},
        {"</x@>", ""},    {"<!--", ""},     {"<a href='x@'>y", ""},
        {"<script>", ""}, {"&#x41", ""},    {"<textarea>", ""},
        {"<p x=\"", ""},  {"<", ""},        {"&", ""},
        {"<b></li>", ""}, {"<title>a", ""}, {"<main><article>", ""},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(hostile); i++) {
        int64_t little_us = took_us(hostile[i].piece, hostile[i].before, 100000);
        int64_t much_us = took_us(hostile[i].piece, hostile[i].before, 2000000);

        cr_assert(much_us < 60 * (little_us + 2000), "%s: %lld and %lld us", hostile[i].piece,
                  (long long)little_us, (long long)much_us);
    }
}

Test(html_text, is_cut_where_a_page_has_a_megabyte_of_it)
{
    CLEANUP(buf_deinit) struct buf html;
    struct html_source source = {.base = TEXT(BASE)};
    struct html_page page;

    buf_init(&html, 0);
    while (html.len < 2 * HTML_TEXT_BYTES)
        buf_add_string(&html, "word ");
    source.html = buf_text(&html);
    html_page_init(&page);
    html_to_text(&source, &page);
    cr_assert(page.is_cut);
    cr_assert(page.text.len >= HTML_TEXT_BYTES && page.text.len < HTML_TEXT_BYTES + 8192);
    html_page_deinit(&page);
}

Test(html_entity, reads_names_and_numbers)
{
    static const struct {
        const char *text;
        size_t bytes;
        uint32_t code;
    } rows[] = {
        {"&amp;", 5, '&'},
        {"&amp", 4, '&'},
        {"&eacute;", 8, 0xe9},
        {"&eacute", 0, 0},
        {"&#65;", 5, 'A'},
        {"&#x41;x", 6, 'A'},
        {"&#X41 ", 5, 'A'},
        {"&#128;", 6, 0x20ac},
        {"&#;", 0, 0},
        {"&#x;", 0, 0},
        {"&thetasym;", 10, 0x3d1},
        {"&zwj;", 5, 0x200d},
        {"&nosuchnameatall;", 0, 0},
        {"&#1114112;", 10, 0xfffd},
        {"&;", 0, 0},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        uint32_t code = 0;

        cr_assert_eq(html_entity_read(text_of(rows[i].text), &code), rows[i].bytes, "%s",
                     rows[i].text);
        if (rows[i].bytes > 0)
            cr_assert_eq(code, rows[i].code, "%s: %x", rows[i].text, code);
    }
}

Test(charset, is_what_mark_header_and_page_say_in_this_order)
{
    static const struct {
        const char *type;
        struct text body;
        const char *charset;
        size_t skip;
    } rows[] = {
        {"text/html; charset=GBK", TEXT("\xef\xbb\xbfx"), "UTF-8", 3},
        {"text/html", TEXT("\xff\xfex\0"), "UTF-16LE", 2},
        {"text/html", TEXT("\xfe\xff\0x"), "UTF-16BE", 2},
        {"text/html; charset=\"gb2312\"", TEXT("x"), "GB18030", 0},
        {"text/html; a=b; Charset = latin1", TEXT("x"), "CP1252", 0},
        {"text/html;charset=nonsense", TEXT("<meta charset='koi8-r'>"), "KOI8-R", 0},
        {"text/html", TEXT("<meta charset=shift_jis>"), "CP932", 0},
        {"text/html", TEXT("<meta http-equiv=content-type content='text/html; charset=euc-kr'>"),
         "CP949", 0},
        {"text/html", TEXT("<meta charset=utf-16>"), "UTF-8", 0},
        {"application/xml", TEXT("<?xml version='1.0' encoding='ISO-8859-2'?>"), "ISO-8859-2", 0},
        {"text/html; charset=../../etc/passwd", TEXT("x"), "UTF-8", 0},
        {"text/html", TEXT("gr\xc3\xbcn"), "UTF-8", 0},
        {"text/html", TEXT("gr\xfcn"), "CP1252", 0},
        {"text/html", TEXT("half \xc3"), "UTF-8", 0},
        {"", TEXT(""), "UTF-8", 0},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        size_t skip = 99;
        const char *charset = charset_find(text_of(rows[i].type), rows[i].body, &skip);

        cr_assert_str_eq(charset, rows[i].charset, "%zu: %s", i, charset);
        cr_assert_eq(skip, rows[i].skip, "%zu", i);
    }
}

Test(charset, becomes_utf8_whatever_the_bytes_are)
{
    static const struct {
        const char *label;
        struct text bytes;
        const char *expected;
    } rows[] = {
        {"gbk", TEXT("\xc4\xe3\xba\xc3"), "\xe4\xbd\xa0\xe5\xa5\xbd"},
        {"utf-16le", TEXT("h\0i\0"), "hi"},
        {"utf-16be", TEXT("\0h\xd8\0\0i"), "h\xef\xbf\xbdi"},
        {"latin1", TEXT("\x80 gr\xfcn"), "\xe2\x82\xac gr\xc3\xbcn"},
        {"gbk",
         TEXT("a\xff\xff"
              "b\xc4"),
         "a\xef\xbf\xbd\xef\xbf\xbd"
         "b\xef\xbf\xbd"},
        {"utf-8",
         TEXT("a\xff"
              "b\0c"),
         NULL},
        {"euc-jp", TEXT("\xa4\xa2"), "\xe3\x81\x82"},
        {"koi8-r", TEXT("\xc1"), "\xd0\xb0"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        CLEANUP(buf_deinit) struct buf out;

        buf_init(&out, 0);
        cr_assert(charset_decode(charset_of_label(text_of(rows[i].label)), rows[i].bytes, &out),
                  "%s", rows[i].label);
        cr_assert(text_is_utf8(buf_text(&out)));
        if (rows[i].expected)
            cr_assert_str_eq(buf_string(&out), rows[i].expected, "%s: %s", rows[i].label,
                             buf_string(&out));
    }
    cr_assert_null(charset_of_label(TEXT("utf-7")));
    cr_assert_null(charset_of_label(TEXT("UTF-8//TRANSLIT")));
}

Test(charset, has_tables_for_each_label)
{
    static const char *const labels[] = {"big5",        "gb18030", "shift_jis",    "euc-jp",
                                         "iso-2022-jp", "euc-kr",  "windows-1251", "macintosh",
                                         "windows-874", "cp866",   "iso-8859-16"};

    for (size_t i = 0; i < ARRAY_LENGTH(labels); i++) {
        CLEANUP(buf_deinit) struct buf out;

        buf_init(&out, 0);
        cr_assert(charset_decode(charset_of_label(text_of(labels[i])), TEXT("abc"), &out), "%s",
                  labels[i]);
        cr_assert_str_eq(buf_string(&out), "abc", "%s", labels[i]);
    }
}

Test(media, is_judged_by_header_and_beginning)
{
    static const struct {
        const char *type;
        struct text body;
        enum media media;
    } rows[] = {
        {"text/html; charset=x", TEXT("<p>"), MEDIA_HTML},
        {"TEXT/HTML", TEXT("x"), MEDIA_HTML},
        {"application/xhtml+xml", TEXT("<html>"), MEDIA_XHTML},
        {"application/json", TEXT("{}"), MEDIA_TEXT},
        {"application/ld+json", TEXT("{}"), MEDIA_TEXT},
        {"application/rss+xml", TEXT("<rss>"), MEDIA_TEXT},
        {"text/plain", TEXT("x"), MEDIA_TEXT},
        {"text/plain", TEXT("\xef\xbb\xbf <!DOCTYPE html>"), MEDIA_HTML},
        {"text/html", TEXT("%PDF-1.7"), MEDIA_PDF},
        {"application/pdf", TEXT("%PDF-1.7"), MEDIA_PDF},
        {"application/pdf", TEXT("<html>no"), MEDIA_HTML},
        {"application/pdf", TEXT("nothing"), MEDIA_OTHER},
        {"text/html", TEXT("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), MEDIA_OTHER},
        {"text/html", TEXT("\xff\xfe<\0p\0"), MEDIA_HTML},
        {"text/html; charset=utf-16", TEXT("<\0p\0"), MEDIA_HTML},
        {"image/png", TEXT("<html>"), MEDIA_OTHER},
        {"application/octet-stream", TEXT("words"), MEDIA_TEXT},
        {"application/octet-stream",
         TEXT("\x7f"
              "ELF\0"),
         MEDIA_OTHER},
        {"", TEXT("<html>"), MEDIA_HTML},
        {"", TEXT(""), MEDIA_TEXT},
        {"application/zip", TEXT("PK"), MEDIA_OTHER},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        cr_assert_eq(media_of(text_of(rows[i].type), rows[i].body), rows[i].media, "%zu %s", i,
                     rows[i].type);
}

Test(page_url, joins_what_can_be_asked_for)
{
    static const struct {
        const char *reference;
        const char *expected; /* NULL: none */
    } rows[] = {
        {"b", "https://site.example/dir/b"},
        {"/b#c", "https://site.example/b"},
        {"?q=1", "https://site.example/dir/page?q=1"},
        {"http://a.example", "http://a.example/"},
        {" b c ", "https://site.example/dir/b%20c"},
        {"", NULL},
        {"ftp://a.example/", NULL},
        {"file:///etc/passwd", NULL},
        {"data:text/html,x", NULL},
        {"https://u:p@a.example/", NULL},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char url[PAGE_URL_MAX + 1];
        bool joined = page_url_join(TEXT(BASE), text_of(rows[i].reference), url);

        cr_assert_eq(joined, rows[i].expected != NULL, "%s", rows[i].reference);
        if (joined)
            cr_assert_str_eq(url, rows[i].expected);
    }
}
