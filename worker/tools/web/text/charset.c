/* Labels are those of the Encoding Standard that pages still have, with the names that iconv has
 * for what browsers mean by them: nobody means ISO-8859-1 by "latin1" but windows-1252, and GB18030
 * reads all that was written as GB2312. */

#include "worker/tools/web/text/charset.h"

#include <errno.h>
#include <iconv.h>

#include "shared/base/utf8.h"

#define SNIFF_BYTES 1024
#define PIECE       4096

static const char utf8[] = "UTF-8";
static const char latin[] = "CP1252";

static const struct {
    const char *label;
    const char *name;
} labels[] = {
    {"utf-8", utf8},
    {"utf8", utf8},
    {"unicode-1-1-utf-8", utf8},
    {"us-ascii", latin},
    {"ascii", latin},
    {"iso-8859-1", latin},
    {"iso8859-1", latin},
    {"iso_8859-1", latin},
    {"latin1", latin},
    {"l1", latin},
    {"windows-1252", latin},
    {"cp1252", latin},
    {"iso-8859-2", "ISO-8859-2"},
    {"latin2", "ISO-8859-2"},
    {"iso-8859-3", "ISO-8859-3"},
    {"iso-8859-4", "ISO-8859-4"},
    {"iso-8859-5", "ISO-8859-5"},
    {"iso-8859-6", "ISO-8859-6"},
    {"iso-8859-7", "ISO-8859-7"},
    {"iso-8859-8", "ISO-8859-8"},
    {"iso-8859-9", "CP1254"},
    {"latin5", "CP1254"},
    {"iso-8859-10", "ISO-8859-10"},
    {"iso-8859-13", "ISO-8859-13"},
    {"iso-8859-14", "ISO-8859-14"},
    {"iso-8859-15", "ISO-8859-15"},
    {"latin9", "ISO-8859-15"},
    {"iso-8859-16", "ISO-8859-16"},
    {"windows-1250", "CP1250"},
    {"windows-1251", "CP1251"},
    {"cp1251", "CP1251"},
    {"windows-1253", "CP1253"},
    {"windows-1254", "CP1254"},
    {"windows-1255", "CP1255"},
    {"windows-1256", "CP1256"},
    {"windows-1257", "CP1257"},
    {"windows-1258", "CP1258"},
    {"windows-874", "CP874"},
    {"tis-620", "CP874"},
    {"koi8-r", "KOI8-R"},
    {"koi8-u", "KOI8-U"},
    {"ibm866", "CP866"},
    {"cp866", "CP866"},
    {"macintosh", "MACINTOSH"},
    {"gb2312", "GB18030"},
    {"gbk", "GB18030"},
    {"gb18030", "GB18030"},
    {"x-gbk", "GB18030"},
    {"big5", "BIG5-HKSCS"},
    {"big5-hkscs", "BIG5-HKSCS"},
    {"euc-jp", "EUC-JP"},
    {"x-euc-jp", "EUC-JP"},
    {"shift_jis", "CP932"},
    {"shift-jis", "CP932"},
    {"sjis", "CP932"},
    {"x-sjis", "CP932"},
    {"windows-31j", "CP932"},
    {"iso-2022-jp", "ISO-2022-JP"},
    {"euc-kr", "CP949"},
    {"ks_c_5601-1987", "CP949"},
    {"windows-949", "CP949"},
    {"utf-16", "UTF-16LE"},
    {"utf-16le", "UTF-16LE"},
    {"utf-16be", "UTF-16BE"},
};

const char *charset_of_label(struct text label)
{
    label = text_trim(label);
    for (size_t i = 0; i < ARRAY_LENGTH(labels); i++)
        if (text_is_nocase(label, labels[i].label))
            return labels[i].name;
    return NULL;
}

static bool is_end(char c)
{
    return c == ';' || c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '"' || c == '\'' ||
           c == '>' || c == '/' || c == '?' || c == ',';
}

/* What stands behind `name`, a blank or two, and '='. */
static struct text value_behind(struct text text, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i + len < text.len; i++) {
        struct text rest = {text.ptr + i + len, text.len - i - len};
        size_t end = 0;

        if (!text_is_nocase((struct text){text.ptr + i, len}, name))
            continue;
        rest = text_trim(rest);
        if (rest.len == 0 || rest.ptr[0] != '=')
            continue;
        rest = text_trim((struct text){rest.ptr + 1, rest.len - 1});
        if (rest.len > 0 && (rest.ptr[0] == '"' || rest.ptr[0] == '\''))
            rest = (struct text){rest.ptr + 1, rest.len - 1};
        while (end < rest.len && !is_end(rest.ptr[end]))
            end++;
        if (end > 0)
            return (struct text){rest.ptr, end};
    }
    return TEXT_NONE;
}

struct text charset_label_of(struct text content_type)
{
    struct text type;
    struct text rest;

    return text_cut(content_type, ';', &type, &rest) ? value_behind(rest, "charset") : TEXT_NONE;
}

/* A page that can be read as ASCII is not of two bytes a character, whatever it says. */
static const char *said_within(struct text body)
{
    struct text head = text_prefix(body, SNIFF_BYTES);
    struct text label;
    const char *found;

    if (head.len == 0)
        head = (struct text){body.ptr, body.len < SNIFF_BYTES ? body.len : SNIFF_BYTES};
    label = text_starts(head, "<?xml") ? value_behind(head, "encoding") : TEXT_NONE;
    if (!label.ptr)
        label = value_behind(head, "charset");
    found = label.ptr ? charset_of_label(label) : NULL;
    return found && strncmp(found, "UTF-16", 6) == 0 ? utf8 : found;
}

const char *charset_find(struct text content_type, struct text body, size_t *out_skip)
{
    const char *found;

    *out_skip = 3;
    if (text_starts(body, "\xef\xbb\xbf"))
        return utf8;
    *out_skip = 2;
    if (text_starts(body, "\xff\xfe"))
        return "UTF-16LE";
    if (text_starts(body, "\xfe\xff"))
        return "UTF-16BE";
    *out_skip = 0;
    found = charset_of_label(charset_label_of(content_type));
    if (!found)
        found = said_within(body);
    if (found)
        return found;
    body.len = utf8_without_half(body.ptr, body.len);
    return text_is_utf8(body) ? utf8 : latin;
}

/* Past one byte, or one unit of UTF-16, that stands for nothing. */
static void skip_one(bool wide, char **in, size_t *left, struct buf *out)
{
    size_t width = wide && *left >= 2 ? 2 : 1;

    buf_add_string(out, "\xef\xbf\xbd");
    *in += width;
    *left -= width;
}

bool charset_decode(const char *charset, struct text body, struct buf *out)
{
    bool wide = strncmp(charset, "UTF-16", 6) == 0;
    char *in = (char *)(uintptr_t)body.ptr; /* iconv does not write there */
    size_t left = body.len;
    char piece[PIECE];
    iconv_t cd;

    if (strcmp(charset, utf8) == 0) {
        buf_add_utf8(out, body);
        return true;
    }
    cd = iconv_open(utf8, charset);
    if (cd == (iconv_t)-1) /* NOLINT: that is what it returns */
        return false;
    while (left > 0 && !out->failed) {
        char *to = piece;
        size_t room = sizeof(piece);
        size_t r = iconv(cd, &in, &left, &to, &room);
        int why = errno;

        buf_add_utf8(out, (struct text){piece, sizeof(piece) - room});
        if (r == (size_t)-1 && why != E2BIG)
            skip_one(wide, &in, &left, out);
    }
    iconv_close(cd);
    return true;
}
