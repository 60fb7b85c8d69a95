#include "scheduler/cli/agents/yaml_scalars.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t digits_at(struct text text, size_t at)
{
    size_t count = 0;

    while (at + count < text.len && text.ptr[at + count] >= '0' && text.ptr[at + count] <= '9')
        count++;
    return count;
}

/* Whether a scalar is written as JSON writes numbers. */
static bool is_number(struct text text)
{
    size_t at = text_starts(text, "-") ? 1 : 0;
    size_t whole = digits_at(text, at);

    if (whole == 0 || (whole > 1 && text.ptr[at] == '0'))
        return false;
    at += whole;
    if (at < text.len && text.ptr[at] == '.') {
        if (digits_at(text, at + 1) == 0)
            return false;
        at += 1 + digits_at(text, at + 1);
    }
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        at++;
        if (at < text.len && (text.ptr[at] == '+' || text.ptr[at] == '-'))
            at++;
        if (digits_at(text, at) == 0)
            return false;
        at += digits_at(text, at);
    }
    return at == text.len;
}

bool yaml_is_doubtful(struct text text)
{
    size_t at = text_starts(text, "-") || text_starts(text, "+") ? 1 : 0;
    size_t digits = digits_at(text, at);

    return digits > 0 && at + digits == text.len && !is_number(text);
}

bool yaml_number(struct text text, double *out)
{
    char copy[64];

    if (text.len >= sizeof(copy) || !is_number(text))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *out = strtod(copy, NULL);
    return isfinite(*out);
}
