/* Checks of messages: their role, their content as a string or in parts, what is attached. */

#include "shared/submit/bodies.h"

#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/check/failure.h"
#include "shared/store/leases/agent_states.h"

enum { TEXT_MAX = 256000, IMAGE_URL_MAX = 2000000 };

int check_image_url(struct json_object *image, const struct path *path, struct failure *failure)
{
    struct path url = {path, "url", 0};
    struct text text = json_get_text(image, "url");

    if (text_starts(text, "https://") || text_starts(text, "http://") ||
        text_starts(text, "data:image/"))
        return 0;
    return failure_set(failure, 400, &url, "invalid_value",
                       "Invalid image url: expected one that begins with 'https://', 'http://' or "
                       "'data:image/'.");
}

static int check_image(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const char *const details[] = {"auto", "low", "high", NULL};
    static const struct field list[] = {
        {.name = "url",
         .kind = FIELD_STRING,
         .flags = FIELD_REQUIRED,
         .min = 1,
         .max = IMAGE_URL_MAX},
        {.name = "detail", .kind = FIELD_STRING, .flags = FIELD_NULLABLE, .words = details},
    };
    int r = fields_check(FIELDS(list), value, path, failure);

    return r < 0 ? r : check_image_url(value, path, failure);
}

static int check_image_file(struct json_object *value, const struct path *path,
                            struct failure *failure)
{
    static const char *const details[] = {"auto", "low", "high", NULL};
    static const struct field list[] = {
        {.name = "file_id", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
        {.name = "detail", .kind = FIELD_STRING, .flags = FIELD_NULLABLE, .words = details},
    };
    struct path place = {path, "file_id", 0};
    struct uuid id;
    int r = fields_check(FIELDS(list), value, path, failure);

    if (r < 0 || id_parse(ID_FILE, json_get_text(value, "file_id"), &id))
        return r;
    return failure_set(failure, 400, &place, "invalid_value",
                       "Invalid 'file_id': expected the id of a file, which begins with 'file-'.");
}

static int check_part(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const char *const types[] = {"text", "image_url", "image_file", NULL};
    static const struct field text[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .words = types},
        {.name = "text", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .min = 1, .max = TEXT_MAX},
    };
    static const struct field image[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
        {.name = "image_url", .kind = FIELD_OBJECT, .flags = FIELD_REQUIRED, .check = check_image},
    };
    static const struct field file[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
        {.name = "image_file",
         .kind = FIELD_OBJECT,
         .flags = FIELD_REQUIRED,
         .check = check_image_file},
    };
    struct path type = {path, "type", 0};
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    if (r < 0)
        return r;
    if (text_is(json_get_text(value, "type"), "image_file"))
        return fields_check(FIELDS(file), value, path, failure);
    if (text_is(json_get_text(value, "type"), "image_url"))
        return fields_check(FIELDS(image), value, path, failure);
    if (json_get_text(value, "type").ptr) {
        r = fields_word(json_get_text(value, "type"), types, &type, failure);
        if (r < 0)
            return r;
    }
    return fields_check(FIELDS(text), value, path, failure);
}

int check_content(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field as_text = {
        .name = "content", .kind = FIELD_STRING, .min = 1, .max = TEXT_MAX};
    static const struct field as_parts = {
        .name = "content", .kind = FIELD_ARRAY, .min = 1, .max = 100, .check = NULL};
    char where[192];
    int r;

    if (json_object_is_type(value, json_type_string))
        return fields_check_one(&as_text, value, path, failure);
    if (json_object_is_type(value, json_type_array)) {
        r = fields_check_one(&as_parts, value, path, failure);
        return r < 0 ? r : fields_each(value, path, check_part, failure);
    }
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_type",
                       "Invalid type for '%s': expected a string or an array of objects.", where);
}

static int check_attached_tool(struct json_object *value, const struct path *path,
                               struct failure *failure)
{
    static const char *const types[] = {"code_interpreter", NULL};
    static const struct field list[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .words = types},
    };
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    return r < 0 ? r : fields_check(FIELDS(list), value, path, failure);
}

static int check_attached_tools(struct json_object *value, const struct path *path,
                                struct failure *failure)
{
    return fields_each(value, path, check_attached_tool, failure);
}

static int check_attachment(struct json_object *value, const struct path *path,
                            struct failure *failure)
{
    static const struct field list[] = {
        {.name = "file_id", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .min = 1, .max = 64},
        {.name = "tools",
         .kind = FIELD_ARRAY,
         .flags = FIELD_REQUIRED,
         .min = 1,
         .max = 1,
         .check = check_attached_tools},
    };
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    return r < 0 ? r : fields_check(FIELDS(list), value, path, failure);
}

/* Programs of the thread find them (worker/tools/sandbox/work_files.h). An image that the model is
 * to see is a part of the content. */
int check_attachments(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_each(value, path, check_attachment, failure);
}

static int check_message(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    return r < 0 ? r : fields_check(body_message, value, path, failure);
}

int check_messages(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_each(value, path, check_message, failure);
}

int check_message_run(struct json_object *value, const struct path *path, struct failure *failure)
{
    char where[192];

    if (!value || json_object_is_type(value, json_type_boolean))
        return 0;
    if (json_object_is_type(value, json_type_object))
        return fields_check(body_run_of_message, value, path, failure);
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_type",
                       "Invalid type for '%s': expected a boolean, or an object as POST "
                       "/v1/threads/{thread_id}/runs takes it.",
                       where);
}

int check_webhook(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field fields[] = {
        {"url", FIELD_STRING, FIELD_REQUIRED, 1, 2048, NULL, NULL},
        {"endpoint", FIELD_STRING, FIELD_REQUIRED, 1, 100, NULL, NULL},
    };

    return fields_check(FIELDS(fields), value, path, failure);
}

int check_user(struct json_object *value, const struct path *path, struct failure *failure)
{
    struct text text = json_string(value);

    return text.len == 0 ? 0 : memory_name_check(text, USER_MAX, path, failure);
}

int check_agent_state(struct json_object *value, const struct path *path, struct failure *failure)
{
    size_t bytes = json_text(value).len;
    char where[192];

    if (bytes <= AGENT_STATE_MAX)
        return fields_check_numbers(value, path, failure);
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid '%s': it has %zu bytes of JSON, where %d are allowed.", where,
                       bytes, AGENT_STATE_MAX);
}

int check_thread(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_check(body_create_thread, value, path, failure);
}
