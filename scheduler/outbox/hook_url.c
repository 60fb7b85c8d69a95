/* Secrets in the URL of a webhook. */

#include "scheduler/outbox/hook_url.h"

#include <string.h>

#include "shared/base/error.h"
#include "shared/secrets/reference.h"
#include "shared/tools/template.h"

static const char begin[] = "${secret"; /* what goes on in another way is refused */

bool hook_url_has_secrets(struct text url)
{
    return url.len > 0 && memmem(url.ptr, url.len, begin, sizeof(begin) - 1);
}

/* Scheme and host, and all that is before them. */
static struct text origin_of(struct text url)
{
    const char *host = memmem(url.ptr, url.len, "://", 3);
    size_t at = host ? (size_t)(host - url.ptr) + 3 : 0;

    while (at < url.len && !strchr("/?#", url.ptr[at]))
        at++;
    return (struct text){url.ptr, at};
}

static bool is_known(struct text name, const struct text *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(names[i], name))
            return true;
    return false;
}

int hook_url_read(struct text url, struct text out_names[HOOK_URL_SECRETS_MAX], size_t *out_count,
                  struct error *err)
{
    struct reference_piece piece;
    struct text rest = url;
    size_t count = 0;
    int r;

    if (hook_url_has_secrets(origin_of(url)))
        return error_set(err, E_INVALID, "a secret may stand in path and query alone");
    while ((r = reference_next(&rest, &piece, err)) == 0) {
        if (!piece.is_secret || is_known(piece.text, out_names, count))
            continue;
        if (count == HOOK_URL_SECRETS_MAX)
            return error_set(err, E_INVALID, "it refers to more than %d secrets",
                             HOOK_URL_SECRETS_MAX);
        out_names[count++] = piece.text;
    }
    if (r < 0)
        return r;
    *out_count = count;
    return 0;
}

static int write_secret(struct text name, const struct known_secret *secrets, size_t count,
                        struct buf *out, struct error *err)
{
    if (!secrets) {
        buf_add_char(out, 'x');
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        if (text_equal(secrets[i].name, name)) {
            url_encode(secrets[i].value, out);
            return 0;
        }
    return error_set(err, E_INVALID, "the secret %.*s was not read", TEXT_ARGS(name));
}

int hook_url_write(struct text url, const struct known_secret *secrets, size_t count,
                   struct buf *out, struct error *err)
{
    struct reference_piece piece;
    struct text rest = url;
    int r;

    while ((r = reference_next(&rest, &piece, err)) == 0) {
        if (!piece.is_secret)
            buf_add_text(out, piece.text);
        else if (write_secret(piece.text, secrets, count, out, err) < 0)
            return -E_INVALID;
    }
    return r < 0 ? r : 0;
}
