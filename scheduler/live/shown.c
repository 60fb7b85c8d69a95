/* Ids of events. */

#include "scheduler/live/shown.h"

#include <inttypes.h>
#include <stdio.h>

static const char run_letters[SHOWN_RUN_COUNT] = {'n', 'c', 'q', 'i', 'a', 'x', 'e'};

#define NUMBER_MAX ((int64_t)1 << 40)

static void add_step(const struct shown *shown, char *to, size_t size)
{
    char hex[33];

    *text_put_hex(hex, shown->step.bytes, sizeof(shown->step.bytes)) = '\0';
    switch (shown->open) {
    case SHOWN_NO_STEP:
        break;
    case SHOWN_BEHIND:
        (void)snprintf(to, size, ".%s.b", hex);
        break;
    case SHOWN_THINKING:
        (void)snprintf(to, size, ".%s.t.%zu", hex, shown->text);
        break;
    case SHOWN_MESSAGE:
        (void)snprintf(to, size, ".%s.m.%d.%zu", hex, shown->phase, shown->text);
        break;
    case SHOWN_CALLS:
        (void)snprintf(to, size, ".%s.c.%d.%zu.%zu.%d", hex, shown->phase, shown->calls,
                       shown->arguments, shown->output);
        break;
    }
}

void shown_format(const struct shown *shown, char out[SHOWN_TEXT_SIZE])
{
    int len = snprintf(out, SHOWN_TEXT_SIZE, "%c.%" PRId64, run_letters[shown->run], shown->seq);

    add_step(shown, out + len, SHOWN_TEXT_SIZE - (size_t)len);
}

/* The next part of "a.b.c". False: there is none. */
static bool next_part(struct text *rest, struct text *out)
{
    if (rest->len == 0)
        return false;
    if (text_cut(*rest, '.', out, rest))
        return out->len > 0 && rest->len > 0;
    *out = *rest;
    *rest = TEXT_NONE;
    return true;
}

static bool next_number(struct text *rest, int64_t max, int64_t *out)
{
    struct text part;

    return next_part(rest, &part) && text_to_int(part, out) && *out >= 0 && *out <= max;
}

static bool next_size(struct text *rest, size_t *out)
{
    int64_t number;

    if (!next_number(rest, NUMBER_MAX, &number))
        return false;
    *out = (size_t)number;
    return true;
}

static bool read_phase(struct text *rest, struct shown *shown)
{
    int64_t phase;

    if (!next_number(rest, 9, &phase))
        return false;
    shown->phase = (int)phase;
    return true;
}

static bool read_calls(struct text *rest, struct shown *shown)
{
    int64_t output;

    shown->open = SHOWN_CALLS;
    if (!read_phase(rest, shown) || !next_size(rest, &shown->calls) ||
        !next_size(rest, &shown->arguments) || !next_number(rest, 1, &output))
        return false;
    shown->output = output == 1;
    return true;
}

static bool read_id(struct text hex, struct uuid *out)
{
    char text[ID_TEXT_SIZE];

    if (hex.len != 32)
        return false;
    (void)snprintf(text, sizeof(text), "%s%.*s", id_prefix(ID_STEP), TEXT_ARGS(hex));
    return id_parse(ID_STEP, text_of(text), out);
}

static bool read_step(struct text *rest, struct shown *shown)
{
    struct text part;

    if (!next_part(rest, &part) || !read_id(part, &shown->step) || !next_part(rest, &part))
        return false;
    if (text_is(part, "c"))
        return read_calls(rest, shown);
    shown->open = text_is(part, "b") ? SHOWN_BEHIND : SHOWN_NO_STEP;
    if (shown->open == SHOWN_BEHIND)
        return true;
    shown->open = text_is(part, "m") ? SHOWN_MESSAGE : SHOWN_THINKING;
    if (shown->open == SHOWN_THINKING && !text_is(part, "t"))
        return false;
    if (shown->open == SHOWN_MESSAGE && !read_phase(rest, shown))
        return false;
    return next_size(rest, &shown->text);
}

bool shown_parse(struct text text, struct shown *out)
{
    struct shown shown = {.run = SHOWN_RUN_COUNT};
    struct text rest = text;
    struct text part;

    if (!next_part(&rest, &part) || part.len != 1)
        return false;
    for (size_t i = 0; i < SHOWN_RUN_COUNT; i++)
        if (part.ptr[0] == run_letters[i])
            shown.run = (enum shown_run)i;
    if (shown.run == SHOWN_RUN_COUNT || !next_number(&rest, NUMBER_MAX, &shown.seq))
        return false;
    if (rest.len > 0 && !read_step(&rest, &shown))
        return false;
    if (rest.len > 0)
        return false;
    *out = shown;
    return true;
}
