/* Error values: filling, wrapping and naming them. */

#include "shared/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/utf8.h"

int error_set_at(struct error *err, int code, const char *origin, const char *format, ...)
{
    va_list args;

    ASSERT(code > 0);
    if (err) {
        err->code = code;
        err->origin = origin;
        va_start(args, format);
        utf8_vformat(err->text, sizeof(err->text), format, args);
        va_end(args);
    }
    return -code;
}

int error_set_errno_at(struct error *err, int errno_value, const char *origin, const char *format,
                       ...)
{
    char prefix[200];
    char reason[80];
    va_list args;

    va_start(args, format);
    utf8_vformat(prefix, sizeof(prefix), format, args);
    va_end(args);
    return error_set_at(err, E_SYSTEM, origin, "%s: %s", prefix,
                        strerror_r(errno_value, reason, sizeof(reason)));
}

int error_wrap(struct error *err, const char *format, ...)
{
    char old[sizeof(err->text)];
    char prefix[sizeof(err->text)];
    va_list args;

    if (!err)
        return -E_INTERNAL;
    memcpy(old, err->text, sizeof(old));
    va_start(args, format);
    utf8_vformat(prefix, sizeof(prefix), format, args);
    va_end(args);
    utf8_mark_cut(err->text, sizeof(err->text),
                  snprintf(err->text, sizeof(err->text), "%s: %s", prefix, old));
    utf8_drop_broken(err->text);
    return -err->code;
}

int error_clean(struct error *err)
{
    if (!err)
        return -E_INTERNAL;
    for (char *c = err->text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '?';
        else if ((unsigned char)*c == 0xC2 && (unsigned char)c[1] >= 0x80 &&
                 (unsigned char)c[1] < 0xA0)
            c[0] = c[1] = '?'; /* C1 */
    return -err->code;
}

bool error_is_transient(int r)
{
    return r == -E_UNAVAILABLE || r == -E_AMBIGUOUS || r == -E_TIMEOUT;
}

const char *error_name(int code)
{
    static const char *const names[] = {
        [E_NONE] = "none",           [E_CANCELED] = "canceled", [E_TIMEOUT] = "timeout",
        [E_CLOSED] = "closed",       [E_SYSTEM] = "system",     [E_LIMIT] = "limit",
        [E_INVALID] = "invalid",     [E_PROTOCOL] = "protocol", [E_UNAVAILABLE] = "unavailable",
        [E_AMBIGUOUS] = "ambiguous", [E_CONFLICT] = "conflict", [E_NOT_FOUND] = "not_found",
        [E_DENIED] = "denied",       [E_REJECTED] = "rejected", [E_INTERNAL] = "internal",
        [E_CONTENT] = "content",
    };

    if (code < 0)
        code = -code;
    return code < (int)ARRAY_LENGTH(names) ? names[code] : "unknown";
}
