/* Differences between agents, by the members of shared/agent/spec.h. */

#include "scheduler/cli/agents/agents_diff.h"

#include "shared/agent/spec.h"

#define DEPTH_MAX 64

static bool is_number(struct json_object *a)
{
    return json_object_is_type(a, json_type_int) || json_object_is_type(a, json_type_double);
}

static bool same_at(struct json_object *a, struct json_object *b, unsigned depth);

/* Every member of a is in b, or null. */
static bool members_within(struct json_object *a, struct json_object *b, unsigned depth)
{
    json_object_object_foreach(a, key, value)
    {
        if (!same_at(value, json_get(b, key), depth + 1))
            return false;
    }
    return true;
}

static bool same_at(struct json_object *a, struct json_object *b, unsigned depth)
{
    if (!a || !b || depth > DEPTH_MAX)
        return a == b;
    if (is_number(a) && is_number(b))
        return json_object_get_double(a) == json_object_get_double(b);
    if (json_object_get_type(a) != json_object_get_type(b))
        return false;
    if (json_object_is_type(a, json_type_object))
        return members_within(a, b, depth) && members_within(b, a, depth);
    if (json_object_is_type(a, json_type_array)) {
        size_t count = json_object_array_length(a);

        if (count != json_object_array_length(b))
            return false;
        for (size_t i = 0; i < count; i++)
            if (!same_at(json_object_array_get_idx(a, i), json_object_array_get_idx(b, i),
                         depth + 1))
                return false;
        return true;
    }
    return text_equal(text_of(json_object_get_string(a)), text_of(json_object_get_string(b)));
}

bool agents_diff_same(struct json_object *a, struct json_object *b)
{
    return same_at(a, b, 0);
}

/* The name of a member that agents have; NULL for one that only runs have. */
static const char *agent_field(enum spec_member member)
{
    const struct field *field = &agent_members[member].field;

    return field->flags & FIELD_OF_AGENT ? field->name : NULL;
}

/* What the server shows of a member that nobody said. */
static bool is_otherwise(enum spec_member member, struct json_object *value)
{
    CLEANUP(json_freep) struct json_object *otherwise = NULL;

    return json_decode(text_of(agent_members[member].otherwise), JSON_DEPTH_DEFAULT, &otherwise,
                       NULL) == 0 &&
           agents_diff_same(value, otherwise);
}

/* Whether a value that the file does not name is what the server shows for "not set". */
static bool is_unset(enum spec_member member, struct json_object *value)
{
    const char *field = agent_members[member].field.name;

    if (!value || is_otherwise(member, value))
        return true;
    if (json_object_is_type(value, json_type_array))
        return json_object_array_length(value) == 0;
    if (json_object_is_type(value, json_type_object))
        return json_object_object_length(value) == 0;
    if (strcmp(field, "response_format") == 0)
        return text_is(json_string(value), "auto");
    if (strcmp(field, "temperature") == 0 || strcmp(field, "top_p") == 0)
        return json_object_get_double(value) == 1;
    return json_object_is_type(value, json_type_string) && json_string(value).len == 0;
}

static bool differs(enum spec_member member, struct json_object *wanted, struct json_object *have)
{
    if (is_unset(member, wanted) && is_unset(member, have))
        return false;
    return !agents_diff_same(wanted, have);
}

enum agents_change agents_diff(struct json_object *wanted, struct json_object *have,
                               struct json_object **out_body)
{
    struct json_object *body = json_object_new_object();

    *out_body = NULL;
    for (enum spec_member i = 0; i < SPEC_MEMBER_COUNT; i++) {
        const char *field = agent_field(i);
        struct json_object *value = field ? json_get(wanted, field) : NULL;

        if (field && (have ? differs(i, value, json_get(have, field)) : value != NULL))
            json_object_object_add(body, field, json_object_get(value));
    }
    if (have && json_object_object_length(body) == 0) {
        json_free(body);
        return AGENTS_SAME;
    }
    *out_body = body;
    return have ? AGENTS_UPDATE : AGENTS_CREATE;
}

struct show {
    agents_line_fn line;
    void *arg;
    const char *field;
};

static void say(const struct show *show, enum agents_line kind, const char *field,
                struct text value)
{
    CLEANUP(buf_deinit) struct buf line = {0};

    buf_init(&line, 0);
    if (field)
        buf_printf(&line, "%s:%s", field, value.len ? " " : "");
    else
        buf_add_string(&line, "  ");
    buf_add_text(&line, value);
    show->line(show->arg, kind, buf_text(&line));
}

static struct text value_text(struct json_object *value)
{
    struct text text = json_string(value);

    return text.ptr ? text : json_text(value);
}

/* Takes the first line off. */
static struct text next_line(struct text *left)
{
    struct text line;

    if (!text_cut(*left, '\n', &line, left)) {
        line = *left;
        *left = (struct text){left->ptr + left->len, 0};
    }
    return line;
}

/* Both without the whole lines that they begin with alike, and end with alike. */
static void strip_common(struct text *a, struct text *b)
{
    size_t shorter = a->len < b->len ? a->len : b->len;
    size_t at = 0;
    size_t line = 0;

    while (at < shorter && a->ptr[at] == b->ptr[at])
        if (a->ptr[at++] == '\n')
            line = at;
    *a = (struct text){a->ptr + line, a->len - line};
    *b = (struct text){b->ptr + line, b->len - line};
    shorter = a->len < b->len ? a->len : b->len;
    for (at = 0, line = 0; at < shorter && a->ptr[a->len - at - 1] == b->ptr[b->len - at - 1]; at++)
        if (a->ptr[a->len - at - 1] == '\n')
            line = at;
    a->len -= line;
    b->len -= line;
}

static void show_lines(const struct show *show, enum agents_line kind, struct text text)
{
    while (text.len > 0)
        say(show, kind, NULL, next_line(&text));
}

static bool has_lines(struct text text)
{
    return text.len > 0 && memchr(text.ptr, '\n', text.len) != NULL;
}

static void show_field(const struct show *show, struct json_object *have,
                       struct json_object *wanted)
{
    struct text before = have ? value_text(have) : TEXT_NONE;
    struct text after = wanted ? value_text(wanted) : TEXT_NONE;

    if (has_lines(before) || has_lines(after)) {
        strip_common(&before, &after);
        say(show, AGENTS_LINE_PLAIN, show->field, TEXT_NONE);
        show_lines(show, AGENTS_LINE_REMOVED, before);
        show_lines(show, AGENTS_LINE_ADDED, after);
        return;
    }
    if (have)
        say(show, AGENTS_LINE_REMOVED, show->field, before);
    if (wanted)
        say(show, AGENTS_LINE_ADDED, show->field, after);
}

void agents_diff_show(struct json_object *have, struct json_object *body, agents_line_fn line,
                      void *arg)
{
    struct show show = {line, arg, NULL};

    for (enum spec_member i = 0; i < SPEC_MEMBER_COUNT; i++) {
        show.field = agent_field(i);
        if (show.field && json_has(body, show.field) && (have || i != SPEC_NAME))
            show_field(&show, json_get(have, show.field), json_get(body, show.field));
    }
}
