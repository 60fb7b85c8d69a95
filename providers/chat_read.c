/* Reading the API's JSON, in place: schemas must keep the order of their members and their numbers
 * as they were written, which a tree of json-c would not do. */

#include "providers/chat_read.h"

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"

#define WORD_SHOWN_SIZE 48

static int no_room(struct error *err)
{
    return error_set(err, E_LIMIT, "it is too large for the run's memory");
}

static int check(struct text json, struct text *out, struct error *err)
{
    return json_raw_check(json, JSON_DEPTH_DEFAULT * 2, out, err);
}

/* A string of its own; TEXT_NONE, and so *out untouched, for what is none. */
static int copy_string(struct text value, struct arena *arena, struct text *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf buf;
    char *copy;

    buf_init(&buf, 0);
    if (!json_raw_add_string(value, &buf))
        return 0;
    copy = buf.failed ? NULL : arena_copy(arena, buf_text(&buf));
    if (!copy)
        return no_room(err);
    *out = (struct text){copy, buf.len};
    return 0;
}

/* The text of a value as it was written, strict. */
static int copy_json(struct text value, struct arena *arena, struct text *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf buf;
    char *copy;

    buf_init(&buf, 0);
    if (!value.ptr)
        return 0;
    json_raw_write(value, &buf);
    copy = buf.failed ? NULL : arena_copy(arena, buf_text(&buf));
    if (!copy)
        return no_room(err);
    *out = (struct text){copy, buf.len};
    return 0;
}

static enum chat_switch read_switch(struct text value)
{
    if (json_raw_type(value) != JSON_RAW_BOOL)
        return CHAT_SWITCH_UNSET;
    return value.ptr[0] == 't' ? CHAT_SWITCH_ON : CHAT_SWITCH_OFF;
}

static const char *shown(struct text value, char word[WORD_SHOWN_SIZE])
{
    text_excerpt(value.ptr ? value : TEXT("none"), word, WORD_SHOWN_SIZE);
    return word;
}

int chat_read_tool_choice(struct text json, struct arena *arena, struct chat_tool_choice *out,
                          struct error *err)
{
    static const struct {
        const char *word;
        enum chat_tool_choice_kind kind;
    } words[] = {
        {"auto", CHAT_TOOL_CHOICE_AUTO},
        {"none", CHAT_TOOL_CHOICE_NONE},
        {"required", CHAT_TOOL_CHOICE_REQUIRED},
    };
    struct chat_tool_choice choice = {.kind = CHAT_TOOL_CHOICE_FUNCTION};
    char word[WORD_SHOWN_SIZE];
    struct text value;
    struct text name;
    int r;

    if (!json.ptr) {
        *out = (struct chat_tool_choice){.kind = CHAT_TOOL_CHOICE_UNSET};
        return 0;
    }
    r = check(json, &value, err);
    if (r < 0)
        return error_wrap(err, "tool_choice");
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (!json_raw_is(value, words[i].word))
            continue;
        *out = (struct chat_tool_choice){.kind = words[i].kind};
        return 0;
    }
    name = json_raw_get(value, "type");
    if (json_raw_is(name, "function"))
        name = json_raw_get(json_raw_get(value, "function"), "name");
    r = copy_string(name, arena, &choice.name, err);
    if (r < 0)
        return r;
    if (!choice.name.len)
        return error_set(err, E_INVALID,
                         "tool_choice is %s; it is auto, none, required, or names a tool",
                         shown(value, word));
    *out = choice;
    return 0;
}

static int read_schema(struct text value, struct arena *arena, struct chat_format *out,
                       struct error *err)
{
    int r = copy_string(json_raw_get(value, "name"), arena, &out->name, err);

    if (r == 0)
        r = copy_string(json_raw_get(value, "description"), arena, &out->description, err);
    if (r == 0)
        r = copy_json(json_raw_get(value, "schema"), arena, &out->schema, err);
    out->strict = read_switch(json_raw_get(value, "strict"));
    if (r == 0 && !out->name.len)
        r = error_set(err, E_INVALID, "response_format has a json_schema without a name");
    return r;
}

int chat_read_format(struct text json, struct arena *arena, struct chat_format *out,
                     struct error *err)
{
    struct chat_format format = {.kind = CHAT_FORMAT_UNSET};
    char word[WORD_SHOWN_SIZE];
    struct text value;
    struct text type;
    int r = 0;

    if (json.ptr)
        r = check(json, &value, err);
    if (r < 0)
        return error_wrap(err, "response_format");
    if (!json.ptr || json_raw_is(value, "auto")) {
        *out = format;
        return 0;
    }
    type = json_raw_get(value, "type");
    if (json_raw_is(type, "text"))
        format.kind = CHAT_FORMAT_TEXT;
    else if (json_raw_is(type, "json_object"))
        format.kind = CHAT_FORMAT_JSON_OBJECT;
    else if (json_raw_is(type, "json_schema"))
        format.kind = CHAT_FORMAT_JSON_SCHEMA;
    else
        return error_set(err, E_INVALID,
                         "response_format has type %s; it is text, json_object or json_schema",
                         shown(type, word));
    if (format.kind == CHAT_FORMAT_JSON_SCHEMA)
        r = read_schema(json_raw_get(value, "json_schema"), arena, &format, err);
    if (r == 0)
        *out = format;
    return r;
}

/* A text part's text is a string or an object with "value". */
static struct text part_text(struct text part)
{
    struct text text = json_raw_get(part, "text");

    return json_raw_type(text) == JSON_RAW_OBJECT ? json_raw_get(text, "value") : text;
}

struct part_list {
    struct chat_part *items;
    size_t count;
    struct buf text; /* of text parts that stand next to each other */
    bool has_text;
    struct arena *arena;
};

static int end_text(struct part_list *list, struct error *err)
{
    char *copy;

    if (!list->has_text)
        return 0;
    copy = list->text.failed ? NULL : arena_copy(list->arena, buf_text(&list->text));
    if (!copy)
        return no_room(err);
    list->items[list->count++] =
        (struct chat_part){.kind = CHAT_PART_TEXT, .text = {copy, list->text.len}};
    buf_reset(&list->text);
    list->has_text = false;
    return 0;
}

static int add_image(struct part_list *list, struct text image, struct error *err)
{
    struct chat_part part = {.kind = CHAT_PART_IMAGE_URL};
    int r = end_text(list, err);

    if (r == 0)
        r = copy_string(json_raw_get(image, "url"), list->arena, &part.url, err);
    if (r == 0)
        r = copy_string(json_raw_get(image, "detail"), list->arena, &part.detail, err);
    if (r == 0 && !part.url.len)
        r = error_set(err, E_INVALID, "an image_url without a url");
    if (r == 0)
        list->items[list->count++] = part;
    return r;
}

static int add_image_file(struct part_list *list, struct text image, struct error *err)
{
    struct chat_part part = {.kind = CHAT_PART_IMAGE_URL};
    int r = end_text(list, err);

    if (r == 0)
        r = copy_string(json_raw_get(image, "file_id"), list->arena, &part.file, err);
    if (r == 0)
        r = copy_string(json_raw_get(image, "detail"), list->arena, &part.detail, err);
    if (r == 0 && !part.file.len)
        r = error_set(err, E_INVALID, "an image_file without a file_id");
    if (r == 0)
        list->items[list->count++] = part;
    return r;
}

static int add_part(struct part_list *list, struct text part, struct error *err)
{
    struct text type = json_raw_get(part, "type");
    struct text text = part_text(part);
    char word[WORD_SHOWN_SIZE];

    if (json_raw_is(type, "image_url") && json_raw_get(part, "image_url").ptr)
        return add_image(list, json_raw_get(part, "image_url"), err);
    if (json_raw_is(type, "image_file") && json_raw_get(part, "image_file").ptr)
        return add_image_file(list, json_raw_get(part, "image_file"), err);
    if (!json_raw_is(type, "text") || json_raw_type(text) != JSON_RAW_STRING)
        return error_set(err, E_INVALID,
                         "it is of type %s; models are sent parts of the types text, image_url and "
                         "image_file",
                         shown(type, word));
    if (list->has_text)
        buf_add_char(&list->text, '\n');
    (void)json_raw_add_string(text, &list->text);
    list->has_text = true;
    return 0;
}

int chat_read_parts(struct text json, struct arena *arena, struct chat_part **out,
                    size_t *out_count, struct error *err)
{
    struct part_list list = {.arena = arena};
    struct json_raw_walk walk;
    struct text value;
    struct text part;
    size_t count = 0;
    int r = check(json, &value, err);

    if (r < 0)
        return error_wrap(err, "content parts");
    if (json_raw_type(value) != JSON_RAW_ARRAY)
        return error_set(err, E_INVALID, "the content parts of a message are not a JSON array");
    json_raw_begin(value, &walk);
    while (json_raw_next(&walk, &part))
        count++;
    list.items = arena_calloc(arena, count + 1, sizeof(*list.items));
    if (!list.items)
        return no_room(err);
    buf_init(&list.text, 0);
    json_raw_begin(value, &walk);
    for (size_t i = 0; r == 0 && json_raw_next(&walk, &part); i++) {
        r = add_part(&list, part, err);
        if (r < 0)
            r = error_wrap(err, "content part %zu", i);
    }
    if (r == 0)
        r = end_text(&list, err);
    buf_deinit(&list.text);
    if (r < 0)
        return r;
    *out = list.items;
    *out_count = list.count;
    return 0;
}

int chat_read_function(struct text json, struct arena *arena, struct chat_tool *out,
                       struct error *err)
{
    struct chat_tool tool = {.name = TEXT_NONE};
    struct text value;
    int r = check(json, &value, err);

    if (r == 0)
        r = copy_string(json_raw_get(value, "name"), arena, &tool.name, err);
    if (r == 0)
        r = copy_string(json_raw_get(value, "description"), arena, &tool.description, err);
    if (r == 0)
        r = copy_json(json_raw_get(value, "parameters"), arena, &tool.parameters, err);
    if (r < 0)
        return error_wrap(err, "a function");
    if (!tool.name.len)
        return error_set(err, E_INVALID, "a function tool without a name");
    tool.strict = read_switch(json_raw_get(value, "strict"));
    *out = tool;
    return 0;
}
