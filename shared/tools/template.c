/* Reading and filling of templates. */

#include "shared/tools/template.h"

#include <string.h>

#include "shared/base/error.h"
#include "shared/secrets/reference.h"

static void take(struct text *rest, size_t count)
{
    rest->ptr += count;
    rest->len -= count;
}

static int take_parameter(struct text *rest, struct template_piece *out, struct error *err)
{
    struct text inside = {rest->ptr + 2, rest->len - 2};
    const char *end = memmem(inside.ptr, inside.len, "}}", 2);
    struct text name = {inside.ptr, end ? (size_t)(end - inside.ptr) : 0};

    if (!secret_name_fits(name)) /* the rule for names is the same */
        return error_set(err, E_INVALID,
                         "a placeholder is {{name}}, where name is that of a parameter, without "
                         "blanks; where {{ is meant as text, write {{{{");
    take(rest, name.len + 4);
    *out = (struct template_piece){TEMPLATE_PARAMETER, name};
    return 0;
}

/* Up to what may begin something else. */
static size_t plain_length(struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        struct text here = {text.ptr + i, text.len - i};

        if (text_starts(here, "{{") || text_starts(here, "${secret") ||
            text_starts(here, "$${secret"))
            return i;
    }
    return text.len;
}

int template_next(struct text *rest, struct template_piece *out, struct error *err)
{
    size_t plain = plain_length(*rest);
    struct reference_piece piece;
    int r;

    if (rest->len == 0)
        return TEMPLATE_END;
    if (plain > 0) {
        *out = (struct template_piece){TEMPLATE_TEXT, {rest->ptr, plain}};
        take(rest, plain);
        return 0;
    }
    if (text_starts(*rest, "{{{{")) {
        *out = (struct template_piece){TEMPLATE_TEXT, {rest->ptr, 2}};
        take(rest, 4);
        return 0;
    }
    if (text_starts(*rest, "{{"))
        return take_parameter(rest, out, err);
    r = reference_next(rest, &piece, err);
    if (r < 0)
        return r;
    *out = (struct template_piece){piece.is_secret ? TEMPLATE_SECRET : TEMPLATE_TEXT, piece.text};
    return 0;
}

struct text template_parameter(struct text template)
{
    struct template_piece piece;

    if (template_next(&template, &piece, NULL) != 0 || piece.kind != TEMPLATE_PARAMETER ||
        template.len > 0)
        return TEXT_NONE;
    return piece.text;
}

void url_encode(struct text text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        char hex[3] = "%";

        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
            (c != '\0' && strchr("-._~", c))) {
            buf_add_char(out, c);
            continue;
        }
        hex[1] = "0123456789ABCDEF"[(unsigned char)c >> 4];
        hex[2] = "0123456789ABCDEF"[(unsigned char)c & 15];
        buf_add(out, hex, 3);
    }
}

/* As buf_add_json, and without its quotes: a second buf would leave copies of secrets behind. */
static void add_json_string(struct text text, bool quoted, struct buf *out)
{
    size_t begin = out->len;

    buf_add_json(out, text);
    if (quoted || out->failed)
        return;
    memmove(out->ptr + begin, out->ptr + begin + 1, out->len - begin - 2);
    out->len -= 2;
    out->ptr[out->len] = '\0';
}

void template_write_text(struct text text, enum template_place place, struct buf *out)
{
    switch (place) {
    case PLACE_PLAIN:
        buf_add_text(out, text);
        break;
    case PLACE_URL:
        url_encode(text, out);
        break;
    case PLACE_JSON_STRING:
        add_json_string(text, false, out);
        break;
    case PLACE_JSON_VALUE:
        add_json_string(text, true, out);
        break;
    }
}

static int add_secret(struct text name, const struct template_values *values,
                      enum template_place place, struct buf *out, struct error *err)
{
    for (size_t i = 0; i < values->secrets_count; i++) {
        if (!text_equal(values->secrets[i].name, name))
            continue;
        template_write_text(values->secrets[i].value, place, out);
        return 0;
    }
    return error_set(err, E_NOT_FOUND, "the secret %.*s is not there", TEXT_ARGS(name));
}

int template_write_value(const struct template_piece *piece, const struct template_values *values,
                         enum template_place place, struct buf *out, struct error *err)
{
    char name[SECRET_NAME_MAX + 1];
    struct json_object *value;

    if (piece->kind == TEMPLATE_SECRET)
        return add_secret(piece->text, values, place, out, err);
    text_excerpt(piece->text, name, sizeof(name));
    value = json_get(values->arguments, name);
    if (place == PLACE_JSON_VALUE)
        json_encode(out, value);
    else if (json_object_is_type(value, json_type_string))
        template_write_text(json_string(value), place, out);
    else if (value)
        template_write_text(json_text(value), place, out);
    return 0;
}

int template_write(struct text template, const struct template_values *values,
                   enum template_place place, struct buf *out, struct error *err)
{
    struct template_piece piece;
    int r = 0;

    while (r == 0) {
        r = template_next(&template, &piece, err);
        if (r == TEMPLATE_END)
            return 0;
        if (r == 0 && piece.kind == TEMPLATE_TEXT)
            buf_add_text(out, piece.text);
        else if (r == 0)
            r = template_write_value(&piece, values, place, out, err);
    }
    return r;
}
