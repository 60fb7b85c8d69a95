/* Times as RFC 3339 writes them. */

#include "shared/time/rfc3339.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/time/zone_rule.h"

#define DAY_S 86400

static bool digits_at(struct text text, size_t at, size_t count, int *out)
{
    int value = 0;

    if (at + count > text.len)
        return false;
    for (size_t i = at; i < at + count; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (text.ptr[i] - '0');
    }
    *out = value;
    return true;
}

static bool char_at(struct text text, size_t at, const char *any_of)
{
    return at < text.len && text.ptr[at] != '\0' && strchr(any_of, text.ptr[at]);
}

/* Z or +hh:mm, to the end. */
static bool parse_offset(struct text text, size_t at, int *out_s)
{
    int hours, minutes;

    if (char_at(text, at, "Zz") && text.len == at + 1) {
        *out_s = 0;
        return true;
    }
    if (!char_at(text, at, "+-") || text.len != at + 6 || !digits_at(text, at + 1, 2, &hours) ||
        !char_at(text, at + 3, ":") || !digits_at(text, at + 4, 2, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *out_s = (hours * 60 + minutes) * 60 * (text.ptr[at] == '-' ? -1 : 1);
    return true;
}

/* Date, time and fraction; *out_at is where they end. */
static bool parse_clock(struct text text, int64_t *out_local_s, size_t *out_at)
{
    int year, month, day, hour, minute, second;
    size_t at = 19;

    if (!digits_at(text, 0, 4, &year) || !char_at(text, 4, "-") || !digits_at(text, 5, 2, &month) ||
        !char_at(text, 7, "-") || !digits_at(text, 8, 2, &day) || !char_at(text, 10, "Tt ") ||
        !digits_at(text, 11, 2, &hour) || !char_at(text, 13, ":") ||
        !digits_at(text, 14, 2, &minute) || !char_at(text, 16, ":") ||
        !digits_at(text, 17, 2, &second))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 ||
        day > calendar_month_length(year, month) || hour > 23 || minute > 59 || second > 60)
        return false;
    if (char_at(text, at, ".")) {
        if (!char_at(text, ++at, "0123456789"))
            return false;
        while (char_at(text, at, "0123456789"))
            at++;
    }
    *out_local_s = calendar_days(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
    *out_at = at;
    return true;
}

bool rfc3339_parse(struct text text, int64_t *out_unix_s)
{
    int64_t local_s;
    int offset_s;
    size_t at;

    if (!parse_clock(text, &local_s, &at) || !parse_offset(text, at, &offset_s))
        return false;
    *out_unix_s = local_s - offset_s;
    return true;
}

bool rfc3339_parse_local(struct text text, int64_t *out_local_s)
{
    int64_t local_s;
    size_t at;

    if (!parse_clock(text, &local_s, &at) || at != text.len)
        return false;
    *out_local_s = local_s;
    return true;
}

static void format_offset(int32_t offset_s, char *out, size_t size)
{
    unsigned absolute = (unsigned)abs(offset_s);
    int len = snprintf(out, size, "%c%02u:%02u", offset_s < 0 ? '-' : '+', absolute / 3600,
                       absolute / 60 % 60);

    if (absolute % 60 > 0)
        (void)snprintf(out + len, size - (size_t)len, ":%02u", absolute % 60);
}

void rfc3339_format(int64_t unix_s, int32_t offset_s, char out[RFC3339_SIZE])
{
    int64_t local_s = unix_s + offset_s;
    int64_t days = local_s / DAY_S - (local_s % DAY_S < 0);
    int seconds = (int)(local_s - days * DAY_S);
    char offset[24];
    int64_t year;
    int month, day;

    calendar_date(days, &year, &month, &day);
    format_offset(offset_s, offset, sizeof(offset));
    (void)snprintf(out, RFC3339_SIZE, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d%s", year, month, day,
                   seconds / 3600, seconds / 60 % 60, seconds % 60, offset);
}
