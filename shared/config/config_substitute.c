/* ${NAME}, ${NAME:-default} and $$ in the text of a configuration file.
 *
 * It works on the text before YAML sees it, so that any value can come from the environment. Lines
 * that are comments stay as they are: what is commented out needs no variable. A value with a line
 * break is refused, for it could say something else than a value, and would shift line numbers.
 */

#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/config/config_internal.h"

#define SUBSTITUTED_BYTES_MAX ((size_t)4 << 20)

struct cursor {
    struct text left;
    unsigned line;
    unsigned column;
};

static void advance(struct cursor *cursor, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (cursor->left.ptr[i] == '\n') {
            cursor->line++;
            cursor->column = 1;
        } else if (((unsigned char)cursor->left.ptr[i] & 0xC0) != 0x80) {
            cursor->column++; /* characters, as editors count */
        }
    }
    cursor->left.ptr += count;
    cursor->left.len -= count;
}

static bool is_name_char(char c, bool first)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_')
        return true;
    return !first && c >= '0' && c <= '9';
}

static bool is_name(struct text name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_char(name.ptr[i], i == 0))
            return false;
    return name.len > 0;
}

static const char *find_variable(char *const *environment, struct text name)
{
    for (; environment && *environment; environment++) {
        struct text entry = text_of(*environment);

        if (entry.len > name.len && memcmp(entry.ptr, name.ptr, name.len) == 0 &&
            entry.ptr[name.len] == '=')
            return entry.ptr + name.len + 1;
    }
    return NULL;
}

const char *config_variable(char *const *environment, const char *name)
{
    const char *value = find_variable(environment, text_of(name));

    return value && *value ? value : NULL;
}

/* The cursor stands on "${". */
static int substitute_one(struct cursor *cursor, char *const *environment, struct buf *out,
                          struct error *err)
{
    const char *end = memchr(cursor->left.ptr, '\n', cursor->left.len);
    size_t line_len = end ? (size_t)(end - cursor->left.ptr) : cursor->left.len;
    const char *brace = memchr(cursor->left.ptr, '}', line_len);
    struct text inside;
    struct text name;
    const char *separator;
    const char *value;

    if (!brace)
        return error_set(err, E_INVALID, "%u:%u: \"${\" is not closed by \"}\" on its line",
                         cursor->line, cursor->column);
    inside = (struct text){cursor->left.ptr + 2, (size_t)(brace - cursor->left.ptr) - 2};
    separator = memmem(inside.ptr, inside.len, ":-", 2);
    name = separator ? (struct text){inside.ptr, (size_t)(separator - inside.ptr)} : inside;
    if (!is_name(name))
        return error_set(err, E_INVALID,
                         "%u:%u: \"${\" must be followed by the name of a variable, as in ${HOME} "
                         "or ${PORT:-8080}; a dollar is written \"$$\"",
                         cursor->line, cursor->column);
    value = find_variable(environment, name);
    if (separator && (!value || !*value)) {
        buf_add(out, separator + 2, inside.len - name.len - 2);
    } else if (!value) {
        return error_set(err, E_INVALID,
                         "%u:%u: the environment variable %.*s is not set; set it, or write "
                         "${%.*s:-default}",
                         cursor->line, cursor->column, TEXT_ARGS(name), TEXT_ARGS(name));
    } else if (strpbrk(value, "\r\n")) {
        return error_set(err, E_INVALID,
                         "%u:%u: the value of the environment variable %.*s has a line break",
                         cursor->line, cursor->column, TEXT_ARGS(name));
    } else {
        buf_add_string(out, value);
    }
    advance(cursor, (size_t)(brace - cursor->left.ptr) + 1);
    return 0;
}

/* How much of the text needs no look: a whole line when it is a comment, else up to the next '$' or
 * the end of the line. */
static size_t plain_length(const struct cursor *cursor)
{
    struct text left = cursor->left;
    const char *end = memchr(left.ptr, '\n', left.len);
    size_t line_len = end ? (size_t)(end - left.ptr) + 1 : left.len;
    const char *dollar;

    if (cursor->column == 1) {
        struct text line = text_trim((struct text){left.ptr, line_len});

        if (text_starts(line, "#"))
            return line_len;
    }
    dollar = memchr(left.ptr, '$', line_len);
    return dollar ? (size_t)(dollar - left.ptr) : line_len;
}

int config_substitute(const char *text, char *const *environment, char **out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf result = {0};
    struct cursor cursor = {text_of(text), 1, 1};
    int r;

    buf_init(&result, SUBSTITUTED_BYTES_MAX);
    while (cursor.left.len > 0) {
        size_t plain = plain_length(&cursor);

        buf_add(&result, cursor.left.ptr, plain);
        advance(&cursor, plain);
        if (cursor.left.len == 0 || cursor.left.ptr[0] != '$')
            continue;
        if (text_starts(cursor.left, "${")) {
            r = substitute_one(&cursor, environment, &result, err);
            if (r < 0)
                return r;
            continue;
        }
        buf_add_char(&result, '$');
        advance(&cursor, text_starts(cursor.left, "$$") ? 2 : 1);
    }
    r = buf_check(&result, err);
    if (r < 0)
        return r;
    *out = buf_take(&result);
    return 0;
}

bool config_text_names(struct text text, const char *variable)
{
    size_t len = strlen(variable);

    while (text.len > 0) {
        const char *at = memmem(text.ptr, text.len, "${", 2);

        if (!at)
            return false;
        text = (struct text){at + 2, (size_t)(text.ptr + text.len - at) - 2};
        if (text_starts(text, variable) && text.len > len &&
            (text.ptr[len] == '}' || text.ptr[len] == ':'))
            return true;
    }
    return false;
}
