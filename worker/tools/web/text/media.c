#include "worker/tools/web/text/media.h"

#include <strings.h>

#define SNIFF_BYTES 1024

void media_name(struct text content_type, char out[MEDIA_NAME_SIZE])
{
    struct text type = content_type;
    struct text rest;
    size_t len = 0;

    (void)text_cut(content_type, ';', &type, &rest);
    type = text_trim(type);
    for (size_t i = 0; i < type.len && len < MEDIA_NAME_SIZE - 1; i++) {
        char c = type.ptr[i];

        if (c <= ' ' || c >= 0x7f)
            break;
        out[len++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    out[len] = 0;
}

static bool begins(struct text body, const char *with)
{
    size_t len = strlen(with);

    return body.len >= len && strncasecmp(body.ptr, with, len) == 0;
}

static bool looks_like_html(struct text body)
{
    static const char *const beginnings[] = {"<!doctype html", "<html", "<head", "<body"};

    if (text_starts(body, "\xef\xbb\xbf"))
        body = (struct text){body.ptr + 3, body.len - 3};
    body = text_trim(body);
    for (size_t i = 0; i < ARRAY_LENGTH(beginnings); i++)
        if (begins(body, beginnings[i]))
            return true;
    return false;
}

/* Zero bytes are in no text but one of two bytes a character, which says so by its mark, or whose
 * header does. */
static bool is_binary(struct text content_type, struct text body)
{
    size_t len = body.len < SNIFF_BYTES ? body.len : SNIFF_BYTES;

    if (text_starts(body, "\xff\xfe") || text_starts(body, "\xfe\xff"))
        return false;
    if (content_type.len > 0 && memmem(content_type.ptr, content_type.len, "16", 2))
        return false;
    return len > 0 && memchr(body.ptr, 0, len);
}

static enum media by_name(struct text type)
{
    if (text_is(type, "text/html"))
        return MEDIA_HTML;
    if (text_is(type, "application/xhtml+xml"))
        return MEDIA_XHTML;
    if (text_is(type, "application/pdf") || text_is(type, "application/x-pdf"))
        return MEDIA_PDF;
    if (text_starts(type, "text/") || text_ends(type, "/json") || text_ends(type, "+json") ||
        text_ends(type, "/xml") || text_ends(type, "+xml") || text_ends(type, "/javascript") ||
        text_ends(type, "/x-ndjson") || text_ends(type, "/yaml") || text_ends(type, "/x-yaml"))
        return MEDIA_TEXT;
    return MEDIA_OTHER;
}

enum media media_of(struct text content_type, struct text body)
{
    char name[MEDIA_NAME_SIZE];
    enum media media;
    bool says;

    media_name(content_type, name);
    says = name[0] && strcmp(name, "application/octet-stream") != 0;
    media = says ? by_name(text_of(name)) : MEDIA_TEXT;
    if (text_starts(body, "%PDF-"))
        return MEDIA_PDF;
    if (media == MEDIA_OTHER || is_binary(content_type, body))
        return MEDIA_OTHER;
    if (looks_like_html(body) && media != MEDIA_XHTML)
        return MEDIA_HTML;
    return media == MEDIA_PDF ? MEDIA_OTHER : media;
}
