#include "shared/multipart/parameters.h"

#include "shared/base/error.h"

static struct text behind(struct text text, size_t count)
{
    return (struct text){text.ptr + count, text.len - count};
}

static struct text skip_blanks(struct text text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = behind(text, 1);
    return text;
}

/* RFC 9110, section 5.6.2. */
static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_bytes(struct text text)
{
    size_t len = 0;

    while (len < text.len && is_token_char(text.ptr[len]))
        len++;
    return len;
}

/* Up to the quote that no backslash stands before; text.len: there is none. */
static size_t quoted_bytes(struct text text)
{
    size_t len = 0;

    while (len < text.len && text.ptr[len] != '"')
        len += text.ptr[len] == '\\' && len + 1 < text.len && text.ptr[len + 1] == '"' ? 2 : 1;
    return len;
}

struct text parameters_head(struct text value, struct text *rest)
{
    struct text head = value;

    if (!text_cut(value, ';', &head, rest))
        *rest = TEXT("");
    else if (rest->len == 0)
        *rest = TEXT(" "); /* a semicolon with nothing behind it */
    return text_trim(head);
}

static int take_quoted(struct text *rest, struct parameter *out, struct error *err)
{
    struct text text = behind(*rest, 1);
    size_t len = quoted_bytes(text);

    if (len >= text.len)
        return error_set(err, E_PROTOCOL, "a quoted value does not end");
    out->value = (struct text){text.ptr, len};
    out->quoted = true;
    *rest = behind(text, len + 1);
    return 0;
}

int parameters_next(struct text *rest, struct parameter *out, struct error *err)
{
    struct text text = skip_blanks(*rest);
    size_t len;
    int r;

    if (rest->len == 0)
        return PARAMETERS_END;
    *out = (struct parameter){.quoted = false};
    len = token_bytes(text);
    if (len == 0 || len == text.len || text.ptr[len] != '=')
        return error_set(err, E_PROTOCOL, "a parameter is not written as name=value");
    out->name = (struct text){text.ptr, len};
    text = behind(text, len + 1);
    if (text.len > 0 && text.ptr[0] == '"') {
        r = take_quoted(&text, out, err);
        if (r < 0)
            return r;
    } else {
        out->value = (struct text){text.ptr, token_bytes(text)};
        if (out->value.len == 0)
            return error_set(err, E_PROTOCOL, "a parameter has no value");
        text = behind(text, out->value.len);
    }
    text = skip_blanks(text);
    if (text.len > 0 && text.ptr[0] != ';')
        return error_set(err, E_PROTOCOL, "a parameter is followed by something else than ';'");
    *rest = text.len > 0 ? behind(text, 1) : text;
    if (text.len == 1)
        *rest = TEXT(" ");
    return 0;
}

void parameter_unescape(struct text value, struct buf *out)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\\' && i + 1 < value.len && value.ptr[i + 1] == '"')
            continue;
        if (value.len - i >= 3 && memcmp(value.ptr + i, "%22", 3) == 0) {
            buf_add_char(out, '"');
            i += 2;
        } else {
            buf_add_char(out, value.ptr[i]);
        }
    }
}
