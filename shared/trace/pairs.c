#include "shared/trace/pairs.h"

#define MUST_BE  "must be pairs such as name=value,other=value, with %XX for what is special"
#define TOO_MANY "has more than 32 pairs"

static bool is_name(struct text name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[]\\{}", c))
            return false;
    }
    return name.len > 0;
}

/* False: it is no text of one line. */
static bool decode(struct text value, char *to, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];

        if (c == '%') {
            int high = i + 2 < value.len ? text_hex_digit(value.ptr[i + 1]) : -1;
            int low = i + 2 < value.len ? text_hex_digit(value.ptr[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if ((unsigned char)c < ' ' || c == 0x7f)
            return false;
        to[(*len)++] = c;
    }
    return text_is_utf8((struct text){to, *len});
}

static bool read_pair(struct text item, struct arena *arena, struct pair *out)
{
    struct text value;
    char *to;

    if (!text_cut(item, '=', &out->name, &value))
        return false;
    out->name = text_trim(out->name);
    value = text_trim(value);
    to = arena_alloc(arena, value.len + 1);
    if (!to || !is_name(out->name) || !decode(value, to, &out->value.len))
        return false;
    to[out->value.len] = '\0';
    out->value.ptr = to;
    out->name.ptr = arena_copy(arena, out->name);
    return out->name.ptr != NULL;
}

const char *pairs_read(struct text text, struct arena *arena, struct pair out[PAIRS_MAX],
                       size_t *count)
{
    *count = 0;
    while (text_trim(text).len > 0) {
        struct text item = text;
        struct text rest = TEXT_NONE;

        (void)text_cut(text, ',', &item, &rest);
        text = rest;
        if (text_trim(item).len == 0)
            continue;
        if (*count == PAIRS_MAX)
            return TOO_MANY;
        if (!read_pair(item, arena, &out[*count]))
            return MUST_BE;
        (*count)++;
    }
    return NULL;
}

const char *pairs_check(const char *value)
{
    struct pair pairs[PAIRS_MAX];
    struct arena arena;
    const char *complaint;
    size_t count;

    arena_init(&arena, 0);
    complaint = pairs_read(text_of(value), &arena, pairs, &count);
    arena_deinit(&arena);
    return complaint;
}
