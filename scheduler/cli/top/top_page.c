#include "scheduler/cli/top/top_page.h"

#include <stdlib.h>

#define NUMBER_SIZE 64

static bool read_number(struct text text, double *out)
{
    char number[NUMBER_SIZE];
    char *end;

    text = text_trim(text);
    if (text.len == 0 || text.len >= sizeof(number))
        return false;
    memcpy(number, text.ptr, text.len);
    number[text.len] = '\0';
    *out = strtod(number, &end);
    return *end == '\0';
}

/* Behind the brace that closes the labels, which quotes may hold, too; 0: it is not closed. */
static size_t labels_end(struct text text)
{
    bool quoted = false;

    for (size_t i = 1; i < text.len; i++) {
        if (quoted && text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '"')
            quoted = !quoted;
        else if (!quoted && text.ptr[i] == '}')
            return i + 1;
    }
    return 0;
}

static bool read_sample(struct text line, const char *name, struct top_sample *out)
{
    size_t len = strlen(name);
    size_t end = 0;

    if (!text_starts(line, name) || line.len <= len)
        return false;
    line.ptr += len;
    line.len -= len;
    out->labels = TEXT_NONE;
    if (line.ptr[0] == '{') {
        end = labels_end(line);
        if (end == 0)
            return false;
        out->labels = (struct text){line.ptr + 1, end - 2};
    } else if (line.ptr[0] != ' ') {
        return false;
    }
    return read_number((struct text){line.ptr + end, line.len - end}, &out->value);
}

bool top_page_next(struct text *rest, const char *name, struct top_sample *out)
{
    while (rest->len > 0) {
        struct text line = *rest;
        struct text after = TEXT_NONE;

        (void)text_cut(*rest, '\n', &line, &after);
        *rest = after;
        if (read_sample(line, name, out))
            return true;
    }
    return false;
}

static bool holds(struct text labels, const char *with)
{
    return !with || (labels.len > 0 && memmem(labels.ptr, labels.len, with, strlen(with)));
}

double top_page_sum(struct text page, const char *name, const char *with)
{
    struct top_sample sample;
    double sum = 0;

    while (top_page_next(&page, name, &sample))
        if (holds(sample.labels, with))
            sum += sample.value;
    return sum;
}

struct text top_page_label(struct text labels, const char *name)
{
    size_t len = strlen(name);
    bool quoted = false;
    bool begins = true;

    for (size_t i = 0; i < labels.len; i++) {
        struct text from = {labels.ptr + i, labels.len - i};

        if (begins && !quoted && text_starts(from, name) && from.len > len + 2 &&
            from.ptr[len] == '=') {
            struct text value = {from.ptr + len + 2, 0};

            while (value.len < from.len - len - 2 && value.ptr[value.len] != '"')
                value.len += value.ptr[value.len] == '\\' ? 2 : 1;
            return value;
        }
        begins = false;
        if (quoted && labels.ptr[i] == '\\')
            i++;
        else if (labels.ptr[i] == '"')
            quoted = !quoted;
        else if (!quoted && labels.ptr[i] == ',')
            begins = true;
    }
    return TEXT_NONE;
}

double top_rate(double before, double now, double seconds)
{
    double more = now >= before ? now - before : now;

    return seconds > 0 ? more / seconds : 0;
}
