/* Filling of JSON. */

#include "shared/tools/json_template.h"

#include "shared/base/error.h"
#include "shared/secrets/reference.h"

/* ---- templates in JSON ---- */

/* Whether it is one placeholder, whose parameter is absent. */
static bool is_absent(struct json_object *value, const struct template_values *values)
{
    struct text name = template_parameter(json_string(value));
    char key[SECRET_NAME_MAX + 1];

    if (!name.ptr)
        return false;
    text_excerpt(name, key, sizeof(key));
    return !json_has(values->arguments, key);
}

static int write_string(struct text template, const struct template_values *values, struct buf *out,
                        struct error *err)
{
    bool whole = template_parameter(template).ptr;
    struct template_piece piece;
    int r;

    if (!whole)
        buf_add_char(out, '"');
    while ((r = template_next(&template, &piece, err)) == 0) {
        if (piece.kind == TEMPLATE_TEXT)
            template_write_text(piece.text, PLACE_JSON_STRING, out);
        else
            r = template_write_value(&piece, values, whole ? PLACE_JSON_VALUE : PLACE_JSON_STRING,
                                     out, err);
        if (r < 0)
            return r;
    }
    if (!whole)
        buf_add_char(out, '"');
    return r < 0 ? r : 0;
}

static int write_value(struct json_object *value, int depth, const struct template_values *values,
                       struct buf *out, struct error *err);

static int write_object(struct json_object *object, int depth, const struct template_values *values,
                        struct buf *out, struct error *err)
{
    char separator = '{';

    json_object_object_foreach(object, name, value)
    {
        int r;

        if (is_absent(value, values))
            continue;
        buf_add_char(out, separator);
        separator = ',';
        buf_add_json_string(out, name);
        buf_add_char(out, ':');
        r = write_value(value, depth + 1, values, out, err);
        if (r < 0)
            return r;
    }
    buf_add_string(out, separator == '{' ? "{}" : "}");
    return 0;
}

static int write_array(struct json_object *array, int depth, const struct template_values *values,
                       struct buf *out, struct error *err)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        int r;

        if (i > 0)
            buf_add_char(out, ',');
        r = write_value(json_object_array_get_idx(array, i), depth + 1, values, out, err);
        if (r < 0)
            return r;
    }
    buf_add_char(out, ']');
    return 0;
}

/* At most BODY_DEPTH_MAX deep. */
static int write_value(struct json_object *value, int depth, const struct template_values *values,
                       struct buf *out, struct error *err)
{
    if (depth > BODY_DEPTH_MAX)
        return error_set(err, E_INVALID, "it is nested more than %d levels deep", BODY_DEPTH_MAX);
    if (json_object_is_type(value, json_type_string))
        return write_string(json_string(value), values, out, err);
    if (json_object_is_type(value, json_type_object))
        return write_object(value, depth, values, out, err);
    if (json_object_is_type(value, json_type_array))
        return write_array(value, depth, values, out, err);
    json_encode(out, value);
    return 0;
}

int json_template_write(struct json_object *body, const struct template_values *values,
                        struct buf *out, struct error *err)
{
    return write_value(body, 1, values, out, err);
}

/* ---- texts of JSON documents ---- */

/* Where in a document the end of a text is. */
struct cursor {
    bool in_string;
    bool escaped; /* behind a backslash */
};

static void move(struct cursor *cursor, struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (cursor->escaped)
            cursor->escaped = false;
        else if (cursor->in_string && text.ptr[i] == '\\')
            cursor->escaped = true;
        else if (text.ptr[i] == '"')
            cursor->in_string = !cursor->in_string;
    }
}

int json_text_write(struct text template, const struct template_values *values, struct buf *out,
                    struct error *err)
{
    struct cursor cursor = {.in_string = false};
    struct template_piece piece;
    int r;

    while ((r = template_next(&template, &piece, err)) == 0) {
        if (piece.kind == TEMPLATE_TEXT) {
            buf_add_text(out, piece.text);
            move(&cursor, piece.text);
            continue;
        }
        if (cursor.escaped)
            return error_set(err, E_INVALID, "there is a backslash right before a placeholder");
        r = template_write_value(&piece, values,
                                 cursor.in_string ? PLACE_JSON_STRING : PLACE_JSON_VALUE, out, err);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : 0;
}

/* Parameters that are absent are null, or nothing within a string; secrets are one word here. */
int json_text_check(struct text template, struct error *err)
{
    CLEANUP(json_freep) struct json_object *read = NULL;
    CLEANUP(buf_deinit) struct buf filled;
    struct known_secret secrets[16];
    struct template_values values = {.secrets = secrets};
    struct template_piece piece;
    struct text rest = template;
    int r;

    buf_init(&filled, 0);
    while (values.secrets_count < ARRAY_LENGTH(secrets) && template_next(&rest, &piece, NULL) == 0)
        if (piece.kind == TEMPLATE_SECRET)
            secrets[values.secrets_count++] = (struct known_secret){piece.text, TEXT("x")};
    r = json_text_write(template, &values, &filled, err);
    if (r == 0)
        r = json_decode(buf_text(&filled), BODY_DEPTH_MAX, &read, err);
    return r == 0 ? 0 : -E_INVALID;
}
