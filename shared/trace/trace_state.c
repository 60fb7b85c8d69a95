#include "shared/trace/trace_state.h"

#define KEY_MAX   256
#define VALUE_MAX 256
#define LONG      128 /* characters of an entry that is left out before others */

static bool is_key_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_key(struct text key)
{
    if (key.len == 0 || key.len > KEY_MAX || !is_key_start(key.ptr[0]))
        return false;
    for (size_t i = 1; i < key.len; i++) {
        char c = key.ptr[i];

        if (!is_key_start(c) && c != '_' && c != '-' && c != '*' && c != '/' && c != '@')
            return false;
    }
    return true;
}

static bool is_value(struct text value)
{
    if (value.len == 0 || value.len > VALUE_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];

        if (c < 0x20 || c > 0x7e || c == ',' || c == '=')
            return false;
    }
    return true; /* blanks at its end are no part of it: it was trimmed */
}

static bool is_member(struct text member)
{
    struct text key;
    struct text value;

    return text_cut(member, '=', &key, &value) && is_key(key) && is_value(value);
}

void trace_state_add(struct trace_state *state, struct text header)
{
    struct text rest = header;

    while (rest.len > 0 && !state->invalid) {
        struct text member = rest;

        if (!text_cut(rest, ',', &member, &rest))
            rest = TEXT_NONE;
        member = text_trim(member);
        if (member.len == 0)
            continue;
        if (state->count == TRACESTATE_MEMBERS_MAX || !is_member(member))
            state->invalid = true;
        else
            state->members[state->count++] = member;
    }
}

/* How many bytes they have with commas between, those that are longer than `longest` left out. */
static size_t bytes_of(const struct trace_state *state, size_t longest)
{
    size_t bytes = 0;

    for (size_t i = 0; i < state->count; i++)
        if (state->members[i].len <= longest)
            bytes += state->members[i].len + (bytes > 0 ? 1 : 0);
    return bytes;
}

void trace_state_write(const struct trace_state *state, struct buf *out)
{
    size_t before = out->len;
    size_t longest = bytes_of(state, SIZE_MAX) > TRACESTATE_BYTES_MAX ? LONG : SIZE_MAX;

    if (state->invalid)
        return;
    for (size_t i = 0; i < state->count; i++) {
        size_t comma = out->len > before ? 1 : 0;

        if (state->members[i].len > longest)
            continue;
        if (out->len - before + comma + state->members[i].len > TRACESTATE_BYTES_MAX)
            return;
        if (comma)
            buf_add_char(out, ',');
        buf_add_text(out, state->members[i]);
    }
}
