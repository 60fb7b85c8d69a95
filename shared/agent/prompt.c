/* Putting the system prompt together. */

#include "shared/agent/prompt.h"

static struct json_object *decode(const struct agent_spec *spec, enum spec_member member)
{
    struct json_object *value;

    if (!spec->members[member].ptr ||
        json_decode(spec->members[member], JSON_DEPTH_DEFAULT, &value, NULL) < 0)
        return NULL;
    return value;
}

static bool says(struct text text)
{
    return text_trim(text).len > 0;
}

/* Begins a section, with an empty line before it unless it is the first. */
static void begin(struct buf *out, size_t first, const char *heading)
{
    if (out->len > first)
        buf_add_string(out, "\n\n");
    buf_add_string(out, heading);
}

static void add_text(const struct agent_spec *spec, enum spec_member member, const char *heading,
                     size_t first, struct buf *out)
{
    CLEANUP(json_freep) struct json_object *value = decode(spec, member);

    if (!says(json_string(value)))
        return;
    begin(out, first, heading);
    buf_add_char(out, '\n');
    buf_add_text(out, json_string(value));
}

static void add_constraints(const struct agent_spec *spec, size_t first, struct buf *out)
{
    CLEANUP(json_freep) struct json_object *list = decode(spec, SPEC_CONSTRAINTS);
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    bool begun = false;

    for (size_t i = 0; i < count; i++) {
        struct text one = json_string(json_object_array_get_idx(list, i));

        if (!says(one))
            continue;
        if (!begun)
            begin(out, first, "# Constraints");
        begun = true;
        buf_add_string(out, "\n- ");
        buf_add_text(out, one);
    }
}

static void add_personality(const struct agent_spec *spec, size_t first, struct buf *out)
{
    CLEANUP(json_freep) struct json_object *personality = decode(spec, SPEC_PERSONALITY);
    struct text tone = json_get_text(personality, "tone");
    struct text style = json_get_text(personality, "style");

    if (!says(tone) && !says(style))
        return;
    begin(out, first, "# Communication Style");
    if (says(tone)) {
        buf_add_string(out, "\nTone: ");
        buf_add_text(out, tone);
    }
    if (says(style)) {
        buf_add_string(out, "\nStyle: ");
        buf_add_text(out, style);
    }
}

static void add_examples(const struct agent_spec *spec, size_t first, struct buf *out)
{
    CLEANUP(json_freep) struct json_object *list = decode(spec, SPEC_EXAMPLES);
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *example = json_object_array_get_idx(list, i);

        if (i == 0)
            begin(out, first, "# Example Interactions");
        buf_add_string(out, i == 0 ? "\nUser: " : "\n\nUser: ");
        buf_add_text(out, json_get_text(example, "user"));
        buf_add_string(out, "\nAssistant: ");
        buf_add_text(out, json_get_text(example, "assistant"));
    }
}

void agent_preamble_write(const struct agent_spec *spec, struct buf *out)
{
    size_t first = out->len;

    add_text(spec, SPEC_ROLE, "# Role", first, out);
    add_text(spec, SPEC_GOAL, "# Goal", first, out);
    add_constraints(spec, first, out);
    add_personality(spec, first, out);
    add_examples(spec, first, out);
}

void agent_prompt_add(struct text piece, size_t first, struct buf *out)
{
    if (piece.len > 0)
        begin(out, first, "");
    buf_add_text(out, piece);
}

void agent_prompt_write(struct text preamble, struct text instructions, struct text memory,
                        struct buf *out)
{
    size_t first = out->len;

    agent_prompt_add(preamble, first, out);
    agent_prompt_add(instructions, first, out);
    agent_prompt_add(memory, first, out);
}
