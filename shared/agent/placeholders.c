/* Filling of templates. */

#include "shared/agent/placeholders.h"

#include <string.h>

#include "shared/base/error.h"

#define PLACE_MAX (PLACEHOLDER_NAME_MAX + 64) /* bytes between the braces, with blanks */

static bool is_name_letter(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

bool placeholder_name_fits(struct text name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_letter(name.ptr[i], i == 0))
            return false;
    return name.len > 0 && name.len <= PLACEHOLDER_NAME_MAX;
}

/* Where a pair of braces begins; the end, when there is none. */
static size_t find_pair(struct text text, size_t from, char brace)
{
    for (size_t i = from; i + 1 < text.len; i++)
        if (text.ptr[i] == brace && text.ptr[i + 1] == brace)
            return i;
    return text.len;
}

/* The name of the place that begins at `at`, with *out_end behind it; TEXT_NONE: it is none. */
static struct text place_at(struct text text, size_t at, size_t *out_end)
{
    size_t begin = at + 2;
    size_t most = begin + PLACE_MAX < text.len ? begin + PLACE_MAX : text.len;
    size_t end = find_pair((struct text){text.ptr, most}, begin, '}');
    struct text name;

    if (end == most)
        return TEXT_NONE;
    name = text_trim((struct text){text.ptr + begin, end - begin});
    *out_end = end + 2;
    return placeholder_name_fits(name) ? name : TEXT_NONE;
}

int placeholders_fill(struct text template, placeholder_value_fn value, void *arg, struct buf *out,
                      struct text *out_unknown)
{
    size_t done = 0;
    size_t at;

    for (at = find_pair(template, 0, '{'); at < template.len; at = find_pair(template, at, '{')) {
        size_t end;
        struct text name = place_at(template, at, &end);

        if (!name.ptr) {
            at++;
            continue;
        }
        buf_add(out, template.ptr + done, at - done);
        if (!value(arg, name, out)) {
            *out_unknown = name;
            return -E_INVALID;
        }
        done = at = end;
    }
    buf_add(out, template.ptr + done, template.len - done);
    return 0;
}
