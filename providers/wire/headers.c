/* Waiting times and limits out of response headers.
 *
 * Formats: RFC 9110, sections 10.2.3 (Retry-After) and 5.6.7 (dates); retry-after-ms is what
 * OpenAI's SDKs look for first; reset times of OpenAI and Groq are durations as Go prints them,
 * Anthropic's are times (RFC 3339). Everything is capped at a day, so that a header can never park
 * a run for good, and what can't be understood is as good as absent.
 */

#include "providers/wire/headers.h"

#include <stdio.h>
#include <time.h>

#include "shared/time/rfc3339.h"

/* The first header of that name, any case; TEXT_NONE when absent. */
static struct text header(const struct provider_response *response, const char *name)
{
    for (size_t i = 0; i < response->headers_count; i++)
        if (text_is_nocase(response->headers[i].name, name))
            return text_trim(response->headers[i].value);
    return TEXT_NONE;
}

/* Reads digits and an optional fraction at *at. False when there is no digit. */
static bool take_number(struct text text, size_t *at, double *out)
{
    size_t i = *at;
    double value = 0;
    double scale = 1;

    while (i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9')
        value = value * 10 + (text.ptr[i++] - '0');
    if (i == *at)
        return false;
    if (i + 1 < text.len && text.ptr[i] == '.' && text.ptr[i + 1] >= '0' &&
        text.ptr[i + 1] <= '9') {
        i++;
        while (i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9') {
            scale /= 10;
            value += scale * (text.ptr[i++] - '0');
        }
    }
    *at = i;
    *out = value;
    return true;
}

static bool take_unit(struct text text, size_t *at, double *out_ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {
        {"ms", 1},      {"us", 1e-3},  {"\xC2\xB5s", 1e-3}, {"ns", 1e-6},
        {"d", 86400e3}, {"h", 3600e3}, {"m", 60e3},         {"s", 1e3},
    };
    struct text rest = {text.ptr + *at, text.len - *at};

    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (!text_starts(rest, units[i].name))
            continue;
        *at += strlen(units[i].name);
        *out_ms = units[i].ms;
        return true;
    }
    return false;
}

bool provider_duration_ms(struct text text, int64_t *out_ms, size_t *used)
{
    double total = 0;
    size_t at = 0;
    bool bare = false;

    while (at < text.len && !bare) {
        size_t before = at;
        double number;
        double unit = 1e3;

        if (!take_number(text, &at, &number))
            break;
        if (!take_unit(text, &at, &unit)) {
            if (before > 0) {
                at = before;
                break;
            }
            bare = true;
        }
        total += number * unit;
    }
    if (at == 0 || (!used && at != text.len))
        return false;
    if (used)
        *used = at;
    *out_ms =
        total < (double)PROVIDER_WAIT_MAX_MS ? (int64_t)(total + 0.999) : PROVIDER_WAIT_MAX_MS;
    return true;
}

static int month_of(const char *name)
{
    static const char *const months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const char *at = strlen(name) == 3 ? strstr(months, name) : NULL;

    return at && (at - months) % 3 == 0 ? (int)(at - months) / 3 : -1;
}

bool provider_http_date_ms(struct text text, int64_t *out_ms)
{
    struct tm tm = {0};
    char copy[48];
    char month[4] = "";
    char zone[4] = "";
    int year = 0;

    if (text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.len ? text.ptr : "", text.len);
    copy[text.len] = '\0';
    if (sscanf(copy, "%*3[A-Za-z], %2d %3s %4d %2d:%2d:%2d %3s", &tm.tm_mday, month, &year,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, zone) == 7) {
        if (strcmp(zone, "GMT") != 0)
            return false;
    } else if (sscanf(copy, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT", &tm.tm_mday, month,
                      &year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) == 6) {
        year += year < 70 ? 2000 : 1900;
    } else if (sscanf(copy, "%*3[A-Za-z] %3s %2d %2d:%2d:%2d %4d", month, &tm.tm_mday, &tm.tm_hour,
                      &tm.tm_min, &tm.tm_sec, &year) != 6) {
        return false;
    }
    tm.tm_mon = month_of(month);
    tm.tm_year = year - 1900;
    if (tm.tm_mon < 0 || year < 1970 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour < 0 ||
        tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
        return false;
    *out_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

/* Whole or decimal number of units of `unit_ms`; false otherwise. */
static bool plain_wait(struct text text, double unit_ms, int64_t *out_ms)
{
    size_t at = 0;
    double number;

    if (!take_number(text, &at, &number) || at != text.len)
        return false;
    number *= unit_ms;
    *out_ms =
        number < (double)PROVIDER_WAIT_MAX_MS ? (int64_t)(number + 0.999) : PROVIDER_WAIT_MAX_MS;
    return true;
}

/* How long until a time, within 0 and a day. */
static int64_t wait_until(const struct provider_response *response, int64_t wall_ms)
{
    int64_t wait_ms = wall_ms - response->now_wall_ms;

    if (wait_ms < 0)
        return 0;
    return wait_ms < PROVIDER_WAIT_MAX_MS ? wait_ms : PROVIDER_WAIT_MAX_MS;
}

int64_t provider_retry_after_ms(const struct provider_response *response)
{
    struct text after = header(response, "retry-after");
    int64_t wait_ms;

    if (plain_wait(header(response, "retry-after-ms"), 1, &wait_ms))
        return wait_ms;
    if (plain_wait(after, 1000, &wait_ms))
        return wait_ms;
    return provider_http_date_ms(after, &wait_ms) ? wait_until(response, wait_ms) : -1;
}

static int64_t count_of(const struct provider_response *response, const char *name)
{
    int64_t value;

    return text_to_int(header(response, name), &value) && value >= 0 ? value : -1;
}

/* A duration, or a time as RFC 3339 writes it. */
static int64_t reset_of(const struct provider_response *response, const char *name)
{
    struct text text = header(response, name);
    int64_t value;

    if (provider_duration_ms(text, &value, NULL))
        return value;
    return rfc3339_parse(text, &value) ? wait_until(response, value * 1000) : -1;
}

static int64_t first_known(int64_t value, int64_t other)
{
    return value >= 0 ? value : other;
}

void provider_limits_read(const struct provider_response *response, struct provider_limits *out)
{
    /* clang-format off */
#define COUNT(what, kind)                                                                          \
    first_known(count_of(response, "x-ratelimit-" what "-" kind),                                  \
                count_of(response, "anthropic-ratelimit-" kind "-" what))
#define RESET(kind)                                                                                \
    first_known(reset_of(response, "x-ratelimit-reset-" kind),                                     \
                reset_of(response, "anthropic-ratelimit-" kind "-reset"))
    *out = (struct provider_limits){
        .requests_limit          = COUNT("limit", "requests"),
        .requests_remaining      = COUNT("remaining", "requests"),
        .requests_reset_ms       = RESET("requests"),
        .tokens_limit            = COUNT("limit", "tokens"),
        .tokens_remaining        = COUNT("remaining", "tokens"),
        .tokens_reset_ms         = RESET("tokens"),
        .input_tokens_limit      = COUNT("limit", "input-tokens"),
        .input_tokens_remaining  = COUNT("remaining", "input-tokens"),
        .input_tokens_reset_ms   = RESET("input-tokens"),
        .output_tokens_limit     = COUNT("limit", "output-tokens"),
        .output_tokens_remaining = COUNT("remaining", "output-tokens"),
        .output_tokens_reset_ms  = RESET("output-tokens"),
    };
    /* clang-format on */
}
