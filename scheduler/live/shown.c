/* Ids of events. */

#include "scheduler/live/shown.h"

#include <stdio.h>

static const char run_letters[SHOWN_RUN_COUNT] = {'n', 'c', 'q', 'i', 'a', 'x', 'e'};

#define OF_DIGITS  4
#define NUMBER_MAX ((int64_t)1 << 40)

static void add_part(struct buf *out, int64_t number)
{
    buf_add_char(out, '.');
    buf_add_int(out, number);
}

static void add_step(const struct shown *shown, char kind, struct buf *out)
{
    char part[1 + 2 * sizeof(shown->step.bytes) + 2];
    char *end;

    part[0] = '.';
    end = text_put_hex(part + 1, shown->step.bytes, sizeof(shown->step.bytes));
    *end++ = '.';
    *end++ = kind;
    buf_add(out, part, (size_t)(end - part));
}

/* The last bytes of an id are random. */
uint32_t shown_of(struct uuid run)
{
    return 1U << 16 | (uint32_t)run.bytes[14] << 8 | run.bytes[15];
}

static void add_of(uint32_t of, struct buf *out)
{
    const uint8_t bytes[] = {(uint8_t)(of >> 8), (uint8_t)of};
    char part[2 + OF_DIGITS] = {'.', 'r'};

    text_put_hex(part + 2, bytes, sizeof(bytes));
    buf_add(out, part, sizeof(part));
}

void shown_write(const struct shown *shown, struct buf *out)
{
    buf_add_char(out, run_letters[shown->run]);
    add_part(out, shown->seq);
    switch (shown->open) {
    case SHOWN_NO_STEP:
        break;
    case SHOWN_BEHIND:
        add_step(shown, 'b', out);
        break;
    case SHOWN_THINKING:
        add_step(shown, 't', out);
        add_part(out, (int64_t)shown->text);
        break;
    case SHOWN_MESSAGE:
        add_step(shown, 'm', out);
        add_part(out, shown->phase);
        add_part(out, (int64_t)shown->text);
        break;
    case SHOWN_CALLS:
        add_step(shown, 'c', out);
        add_part(out, shown->phase);
        add_part(out, (int64_t)shown->calls);
        add_part(out, (int64_t)shown->arguments);
        add_part(out, shown->output);
        break;
    }
    if (shown->of)
        add_of(shown->of, out);
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

/* Takes the word for the run off the end, where there is one. */
static uint32_t cut_of(struct text *id)
{
    size_t len = 2 + OF_DIGITS;
    uint32_t of = 0;
    struct text part;

    if (id->len <= len)
        return 0;
    part = (struct text){id->ptr + id->len - len, len};
    if (!text_starts(part, ".r"))
        return 0;
    for (size_t i = 2; i < len; i++) {
        int digit = part.ptr[i] >= 'A' && part.ptr[i] <= 'F' ? -1 : text_hex_digit(part.ptr[i]);

        if (digit < 0)
            return 0;
        of = of << 4 | (uint32_t)digit;
    }
    id->len -= len;
    return 1U << 16 | of;
}

bool shown_parse(struct text text, struct shown *out)
{
    struct shown shown = {.run = SHOWN_RUN_COUNT};
    struct text rest = text;
    struct text part;

    shown.of = cut_of(&rest);
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
