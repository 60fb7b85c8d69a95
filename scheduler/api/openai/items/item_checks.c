/* An item is what a client writes, or what it got from us or from another server and gives back:
 * what stands in the latter beside what counts is passed over.
 *
 * To offer another type of item add its table here, and what becomes of it to item_read.c. */

#include "scheduler/api/openai/items/item_checks.h"

#include "scheduler/api/openai/items/compaction.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/check/failure.h"
#include "shared/submit/bodies.h"

#define REQUIRED FIELD_REQUIRED
#define NULLABLE FIELD_NULLABLE

/* clang-format off */
#define TYPE           {"type", FIELD_STRING, NULLABLE, 0, 0, NULL, NULL}
#define PASSED(name)   {name, FIELD_ANY, NULLABLE, 0, 0, NULL, NULL}
#define AN_ITEM        TYPE, PASSED("id"), PASSED("status")
/* clang-format on */

static int check_file_id(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    struct uuid id;

    if (id_parse(ID_FILE, json_string(value), &id))
        return 0;
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid 'file_id': expected the id of a file, which begins with 'file-'.");
}

static int check_image_of(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    struct text url = json_string(value);

    if (text_starts(url, "https://") || text_starts(url, "http://") ||
        text_starts(url, "data:image/"))
        return 0;
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid image url: expected one that begins with 'https://', 'http://' or "
                       "'data:image/'.");
}

static const char *const details[] = {"auto", "low", "high", NULL};

/* clang-format off */
static const struct field text_part[] = {
    TYPE,
    {"text", FIELD_STRING, REQUIRED, 0, ITEM_TEXT_MAX, NULL, NULL},
    PASSED("annotations"),
    PASSED("logprobs"),
    PASSED("parsed"),
    PASSED("prompt_cache_breakpoint"),
};

static const struct field refusal_part[] = {
    TYPE,
    {"refusal", FIELD_STRING, REQUIRED, 0, ITEM_TEXT_MAX, NULL, NULL},
};

static const struct field image_part[] = {
    TYPE,
    {"image_url", FIELD_STRING, NULLABLE, 1, ITEM_TEXT_MAX, NULL, check_image_of},
    {"file_id", FIELD_STRING, NULLABLE, 0, 0, NULL, check_file_id},
    {"detail", FIELD_STRING, NULLABLE, 0, 0, details, NULL},
    PASSED("prompt_cache_breakpoint"),
};
/* clang-format on */

/* Parts of these types: each has its table. */
struct parts {
    const char *const *types;
    const struct fields *tables;
};

static int check_part(const struct parts *parts, struct json_object *part, const struct path *path,
                      struct failure *failure)
{
    struct path type_path = {path, "type", 0};
    struct text type;
    int r = fields_expect(FIELD_OBJECT, part, path, failure);

    if (r < 0)
        return r;
    type = json_get_text(part, "type");
    for (size_t i = 0; parts->types[i]; i++)
        if (text_is(type, parts->types[i]))
            return fields_check(parts->tables[i], part, path, failure);
    if (type.ptr)
        return fields_word(type, parts->types, &type_path, failure);
    return failure_set(failure, 400, &type_path, "missing_required_parameter",
                       "Missing required parameter: the 'type' of a part of the content.");
}

/* An image is there by its URL, or by its file. */
static int check_image(struct json_object *part, const struct path *path, struct failure *failure)
{
    struct path url = {path, "image_url", 0};
    struct path file = {path, "file_id", 0};
    char where[192];

    if (json_get(part, "image_url") && json_get(part, "file_id"))
        return failure_set(failure, 400, &file, "invalid_value",
                           "Invalid 'file_id': the image has 'image_url', too. Say one of them.");
    if (json_get(part, "image_url") || json_get(part, "file_id"))
        return 0;
    path_format(&url, where, sizeof(where));
    return failure_set(failure, 400, &url, "missing_required_parameter",
                       "Missing required parameter: '%s', or 'file_id'.", where);
}

static int check_said_part(struct json_object *part, const struct path *path,
                           struct failure *failure)
{
    static const char *const types[] = {"input_text", "input_image", "text", NULL};
    const struct fields tables[] = {FIELDS(text_part), FIELDS(image_part), FIELDS(text_part)};
    int r = check_part(&(struct parts){types, tables}, part, path, failure);

    if (r < 0 || !text_is(json_get_text(part, "type"), "input_image"))
        return r;
    return check_image(part, path, failure);
}

static int check_answer_part(struct json_object *part, const struct path *path,
                             struct failure *failure)
{
    static const char *const types[] = {"output_text", "refusal", "input_text", "text", NULL};
    const struct fields tables[] = {FIELDS(text_part), FIELDS(refusal_part), FIELDS(text_part),
                                    FIELDS(text_part)};

    return check_part(&(struct parts){types, tables}, part, path, failure);
}

static int check_output_part(struct json_object *part, const struct path *path,
                             struct failure *failure)
{
    static const char *const types[] = {"input_text", NULL};
    const struct fields tables[] = {FIELDS(text_part)};

    return check_part(&(struct parts){types, tables}, part, path, failure);
}

static int check_content_of(struct json_object *value, const struct path *path,
                            field_check_fn check_one_part, struct failure *failure)
{
    static const struct field list = {.name = "content", .kind = FIELD_ARRAY, .max = 1000};
    static const struct field text = {
        .name = "content", .kind = FIELD_STRING, .max = ITEM_TEXT_MAX};
    char where[192];
    int r;

    if (json_object_is_type(value, json_type_string))
        return fields_check_one(&text, value, path, failure);
    if (json_object_is_type(value, json_type_array)) {
        r = fields_check_one(&list, value, path, failure);
        return r < 0 ? r : fields_each(value, path, check_one_part, failure);
    }
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_type",
                       "Invalid type for '%s': expected a string or an array of objects.", where);
}

static int check_said(struct json_object *value, const struct path *path, struct failure *failure)
{
    return check_content_of(value, path, check_said_part, failure);
}

static int check_answer(struct json_object *value, const struct path *path, struct failure *failure)
{
    return check_content_of(value, path, check_answer_part, failure);
}

static int check_output(struct json_object *value, const struct path *path, struct failure *failure)
{
    return check_content_of(value, path, check_output_part, failure);
}

static const char *const roles[] = {"user", "assistant", "system", "developer", NULL};

/* clang-format off */
static const struct field said_message[] = {
    AN_ITEM,
    {"role", FIELD_STRING, REQUIRED, 0, 0, roles, NULL},
    {"content", FIELD_ANY, REQUIRED, 0, 0, NULL, check_said},
    PASSED("phase"),
};

static const struct field answer_message[] = {
    AN_ITEM,
    {"role", FIELD_STRING, REQUIRED, 0, 0, roles, NULL},
    {"content", FIELD_ANY, REQUIRED, 0, 0, NULL, check_answer},
    PASSED("phase"),
};

static const struct field function_call[] = {
    AN_ITEM,
    {"call_id", FIELD_STRING, REQUIRED, 1, CALL_ID_MAX, NULL, NULL},
    {"name", FIELD_STRING, REQUIRED, 1, 128, NULL, NULL},
    {"arguments", FIELD_STRING, REQUIRED, 0, ITEM_TEXT_MAX, NULL, NULL},
    PASSED("parsed_arguments"),
    PASSED("namespace"),
    PASSED("caller"),
};

static const struct field function_call_output[] = {
    AN_ITEM,
    {"call_id", FIELD_STRING, REQUIRED, 1, CALL_ID_MAX, NULL, NULL},
    {"output", FIELD_ANY, REQUIRED, 0, 0, NULL, check_output},
    PASSED("name"),
    PASSED("caller"),
};

static const struct field mcp_call[] = {
    AN_ITEM,
    {"server_label", FIELD_STRING, REQUIRED, 0, 256, NULL, NULL},
    {"name", FIELD_STRING, REQUIRED, 1, 128, NULL, NULL},
    {"arguments", FIELD_STRING, REQUIRED, 0, ITEM_TEXT_MAX, NULL, NULL},
    {"output", FIELD_STRING, NULLABLE, 0, ITEM_TEXT_MAX, NULL, NULL},
    PASSED("error"),
    PASSED("approval_request_id"),
};

static const struct field reasoning[] = {
    AN_ITEM,
    PASSED("summary"),
    PASSED("content"),
    PASSED("encrypted_content"),
};

static int check_compacted(struct json_object *value, const struct path *path,
                           struct failure *failure)
{
    struct arena arena;
    bool ours;

    arena_init(&arena, 0);
    ours = compaction_read(json_string(value), &arena).ptr != NULL;
    arena_deinit(&arena);
    if (ours)
        return 0;
    return failure_set(failure, 400, path, "invalid_encrypted_content",
                       "The encrypted content of this item could not be read: it is not, or no "
                       "more, as /v1/responses/compact of this server has made it.");
}

static const struct field compaction[] = {
    AN_ITEM,
    {"encrypted_content", FIELD_STRING, REQUIRED, 0, ITEM_TEXT_MAX, NULL, check_compacted},
    PASSED("created_by"),
};

static const struct field item_reference[] = {
    TYPE,
    {"id", FIELD_STRING, REQUIRED, 1, 256, NULL, NULL},
};
/* clang-format on */

static const char *const types[] = {
    "message",   "function_call", "function_call_output", "mcp_call",
    "reasoning", "compaction",    "item_reference",       NULL};

static int refuse_type(struct text type, const struct path *path, struct failure *failure)
{
    struct path type_path = {path, "type", 0};
    char names[200];
    char shown[64];

    words_format(types, names, sizeof(names));
    text_excerpt(type, shown, sizeof(shown));
    return failure_set(failure, 400, &type_path, "unsupported_value",
                       "Items of the type '%s' are not offered here. Supported values are: %s.",
                       shown, names);
}

static int check_item(struct json_object *value, const struct path *path, struct failure *failure)
{
    const struct fields tables[] = {
        FIELDS(said_message), FIELDS(function_call), FIELDS(function_call_output), FIELDS(mcp_call),
        FIELDS(reasoning),    FIELDS(compaction),    FIELDS(item_reference)};
    struct text type;
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    if (r < 0)
        return r;
    type = json_get_text(value, "type");
    if (!type.ptr && !json_has(value, "role") && json_has(value, "id"))
        type = TEXT("item_reference");
    if (!type.ptr)
        type = TEXT("message");
    if (text_is(type, "message") && text_is(json_get_text(value, "role"), "assistant"))
        return fields_check(FIELDS(answer_message), value, path, failure);
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++)
        if (text_is(type, types[i]))
            return fields_check(tables[i], value, path, failure);
    return refuse_type(type, path, failure);
}

int check_items(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_each(value, path, check_item, failure);
}

int check_input(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field text = {.name = "input", .kind = FIELD_STRING, .max = ITEM_TEXT_MAX};
    static const struct field list = {.name = "input", .kind = FIELD_ARRAY, .max = 1000};
    int r;

    if (!value)
        return 0;
    if (json_object_is_type(value, json_type_string))
        return fields_check_one(&text, value, path, failure);
    if (!json_object_is_type(value, json_type_array))
        return failure_set(failure, 400, path, "invalid_type",
                           "Invalid type for 'input': expected a string or an array of items.");
    r = fields_check_one(&list, value, path, failure);
    return r < 0 ? r : check_items(value, path, failure);
}
