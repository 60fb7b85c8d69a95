/* Addresses, from templates.
 *
 * A value in the path is one segment, or a part of one: what it has of slashes is encoded. Servers
 * and proxies decode that more often than they should, so a value that would climb if they did is
 * refused; and so is an empty one, which would make another address of this one: /orders/ instead
 * of /orders/7.
 */

#include "shared/tools/url_template.h"

#include <string.h>

#include "shared/base/error.h"
#include "shared/secrets/reference.h"

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

int url_template_split(struct text url, struct url_template *out, struct error *err)
{
    size_t scheme = text_starts(url, "https://") ? 8 : text_starts(url, "http://") ? 7 : 0;
    struct url_template parts = {.query = TEXT_NONE};
    size_t at = scheme;

    if (scheme == 0)
        return error_set(err, E_INVALID, "it must begin with https:// or http://");
    if (memchr(url.ptr, '#', url.len))
        return error_set(err, E_INVALID, "it must have no fragment: leave '#' out, or write %%23");
    while (at < url.len && url.ptr[at] != '/' && url.ptr[at] != '?')
        at++;
    if (at == scheme)
        return error_set(err, E_INVALID, "it has no host");
    parts.origin = (struct text){url.ptr, at};
    parts.path.ptr = url.ptr + at;
    while (at < url.len && url.ptr[at] != '?')
        at++;
    parts.path.len = (size_t)(url.ptr + at - parts.path.ptr);
    if (at < url.len)
        parts.query = (struct text){url.ptr + at + 1, url.len - at - 1};
    *out = parts;
    return 0;
}

/* Returns how many characters it takes; 0: it may not stand there. */
static size_t url_character(struct text text, size_t at, const char *others)
{
    char c = text.ptr[at];

    if (c == '%')
        return at + 2 < text.len && text_hex_digit(text.ptr[at + 1]) >= 0 &&
                       text_hex_digit(text.ptr[at + 2]) >= 0
                   ? 3
                   : 0;
    return is_unreserved(c) || (c != '\0' && strchr(others, c)) ? 1 : 0;
}

static int check_texts(struct text template, const char *others, const char *where,
                       struct error *err)
{
    struct template_piece piece;
    int r;

    while ((r = template_next(&template, &piece, err)) == 0) {
        size_t at = 0;

        if (piece.kind != TEMPLATE_TEXT)
            continue;
        while (at < piece.text.len) {
            size_t width = url_character(piece.text, at, others);

            if (width == 0)
                return error_set(err, E_INVALID,
                                 "character %zu of \"%.*s\" must not stand in the %s of a URL: "
                                 "write it as %%XX",
                                 at + 1, (int)text_prefix(piece.text, 60).len, piece.text.ptr,
                                 where);
            at += width;
        }
    }
    return r < 0 ? r : 0;
}

/* What a segment is once dots that are written as %2e are dots. */
static bool is_dots(struct text segment)
{
    size_t dots = 0;

    for (size_t at = 0; at < segment.len; dots++) {
        struct text here = {segment.ptr + at, segment.len - at};

        if (here.ptr[0] == '.')
            at++;
        else if (text_starts(here, "%2e") || text_starts(here, "%2E"))
            at += 3;
        else
            return false;
    }
    return dots == 1 || dots == 2;
}

static bool climbs(struct text path, const char *separators)
{
    size_t begin = 0;

    for (size_t at = 0; at <= path.len; at++) {
        if (at < path.len && (path.ptr[at] == '\0' || !strchr(separators, path.ptr[at])))
            continue;
        if (is_dots((struct text){path.ptr + begin, at - begin}))
            return true;
        begin = at + 1;
    }
    return false;
}

/* With a word wherever something is put in. */
static bool template_climbs(struct text path)
{
    CLEANUP(buf_deinit) struct buf filled;
    struct template_piece piece;

    buf_init(&filled, 0);
    while (template_next(&path, &piece, NULL) == 0)
        buf_add_text(&filled, piece.kind == TEMPLATE_TEXT ? piece.text : TEXT("x"));
    return climbs(buf_text(&filled), "/");
}

int url_template_check(const struct url_template *url, struct error *err)
{
    size_t scheme = text_starts(url->origin, "https://") ? 8 : 7;
    struct text host = {url->origin.ptr + scheme, url->origin.len - scheme};
    int r = check_texts(host, ":[]", "host", err);

    if (r == 0)
        r = check_texts(url->path, "!$&'()*+,;=:@/", "path", err);
    if (r == 0)
        r = check_texts(url->query, "!$&'()*+,;=:@/?", "query", err);
    if (r == 0 && template_climbs(url->path))
        r = error_set(err, E_INVALID, "its path has a segment \".\" or \"..\"");
    return r;
}

bool url_host_fits(struct text text)
{
    bool label = false; /* the last character was one of a label */

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '.' && !label)
            return false;
        if (c != '.' && (!is_unreserved(c) || c == '_' || c == '~'))
            return false;
        label = c != '.';
    }
    return label && text.len <= 253;
}

/* The text that a parameter is, for places where its kind does not matter. */
static struct text text_of_parameter(struct text name, const struct template_values *values)
{
    char key[SECRET_NAME_MAX + 1];
    struct json_object *value;

    text_excerpt(name, key, sizeof(key));
    value = json_get(values->arguments, key);
    if (!value)
        return TEXT("");
    return json_object_is_type(value, json_type_string) ? json_string(value) : json_text(value);
}

static int write_origin(struct text origin, const struct template_values *values, struct buf *out,
                        struct error *err)
{
    struct template_piece piece;
    int r;

    while ((r = template_next(&origin, &piece, err)) == 0) {
        struct text value = piece.text;

        if (piece.kind == TEMPLATE_PARAMETER)
            value = text_of_parameter(piece.text, values);
        if (piece.kind != TEMPLATE_TEXT && !url_host_fits(value))
            return error_set(err, E_INVALID, "the parameter \"%.*s\" is no part of a host",
                             TEXT_ARGS(piece.text));
        buf_add_text(out, value);
    }
    return r < 0 ? r : 0;
}

static int check_segment(struct text name, struct text value, struct error *err)
{
    if (value.len == 0)
        return error_set(err, E_INVALID,
                         "the parameter \"%.*s\" is empty, and stands in the path of an address",
                         TEXT_ARGS(name));
    if (climbs(value, "/\\"))
        return error_set(err, E_INVALID,
                         "the parameter \"%.*s\" has \".\" or \"..\" as a part of a path",
                         TEXT_ARGS(name));
    return 0;
}

static int write_path(struct text path, const struct template_values *values, struct buf *out,
                      struct error *err)
{
    struct template_piece piece;
    size_t begin = out->len;
    int r;

    while ((r = template_next(&path, &piece, err)) == 0) {
        if (piece.kind == TEMPLATE_TEXT)
            buf_add_text(out, piece.text);
        else
            r = template_write_value(&piece, values, PLACE_URL, out, err);
        if (r == 0 && piece.kind == TEMPLATE_PARAMETER)
            r = check_segment(piece.text, text_of_parameter(piece.text, values), err);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    if (!out->failed && climbs((struct text){out->ptr + begin, out->len - begin}, "/"))
        return error_set(err, E_INVALID, "the address would have \".\" or \"..\" in its path");
    return 0;
}

int url_template_write(const struct url_template *url, const struct template_values *values,
                       struct buf *out, struct error *err)
{
    int r = write_origin(url->origin, values, out, err);

    if (r == 0)
        r = write_path(url->path, values, out, err);
    if (r == 0 && url->query.ptr) {
        buf_add_char(out, '?');
        r = template_write(url->query, values, PLACE_URL, out, err);
    }
    return r;
}
