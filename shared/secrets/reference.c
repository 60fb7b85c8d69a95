#include "shared/secrets/reference.h"

#include <string.h>

#include "shared/base/error.h"

#define OPENS "${secret" /* whatever follows, somebody meant a secret */

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

bool secret_name_fits(struct text name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_letter(name.ptr[i]) && (i == 0 || name.ptr[i] < '0' || name.ptr[i] > '9'))
            return false;
    return name.len > 0 && name.len <= SECRET_NAME_MAX;
}

static void take(struct text *rest, size_t count)
{
    rest->ptr += count;
    rest->len -= count;
}

/* What stands before the next reference or escape, or all of it. */
static size_t plain_length(struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        struct text here = {text.ptr + i, text.len - i};

        if (text_starts(here, OPENS) || text_starts(here, "$" OPENS))
            return i;
    }
    return text.len;
}

/* What stands between ':' and '}'; TEXT_NONE: one of them is missing. */
static struct text name_of(struct text reference)
{
    struct text inside = {reference.ptr + strlen(OPENS), reference.len - strlen(OPENS)};
    const char *end;

    if (!text_starts(inside, ":"))
        return TEXT_NONE;
    take(&inside, 1);
    end = memchr(inside.ptr, '}', inside.len);
    return end ? (struct text){inside.ptr, (size_t)(end - inside.ptr)} : TEXT_NONE;
}

static int take_name(struct text *rest, struct reference_piece *out, struct error *err)
{
    struct text name = name_of(*rest);

    if (!secret_name_fits(name))
        return error_set(err, E_INVALID,
                         "a reference to a secret is ${secret:NAME}, where NAME has letters, "
                         "digits and '_', begins with no digit and has at most %d characters; "
                         "where it is meant as text, write $${secret",
                         SECRET_NAME_MAX);
    take(rest, strlen(OPENS ":}") + name.len);
    *out = (struct reference_piece){true, name};
    return 0;
}

int reference_next(struct text *rest, struct reference_piece *out, struct error *err)
{
    size_t plain = plain_length(*rest);

    if (rest->len == 0)
        return REFERENCES_END;
    if (plain > 0) {
        *out = (struct reference_piece){false, {rest->ptr, plain}};
        take(rest, plain);
        return 0;
    }
    if (text_starts(*rest, OPENS))
        return take_name(rest, out, err);
    *out = (struct reference_piece){false, {rest->ptr + 1, strlen(OPENS)}};
    take(rest, strlen("$" OPENS));
    return 0;
}

int references_check(struct text text, struct error *err)
{
    struct reference_piece piece;
    int r;

    do {
        r = reference_next(&text, &piece, err);
    } while (r == 0);
    return r < 0 ? r : 0;
}
