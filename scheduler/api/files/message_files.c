/* Wherever a body may have messages or items they are looked at: members whose form was checked
 * before. A file may be deleted right afterwards, so whoever reads it for a model looks again. */

#include "scheduler/api/files/message_files.h"

#include "scheduler/api/files/file_keep.h"
#include "shared/base/error.h"
#include "shared/store/files/files.h"

#define FILES_MAX 1000 /* that a body may name */

struct naming {
    struct buf ids; /* a uuid[] */
    size_t count;
};

static void take_content(struct naming *naming, struct json_object *content)
{
    if (!json_object_is_type(content, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(content); i++) {
        struct json_object *part = json_object_array_get_idx(content, i);
        struct json_object *file = json_get(part, "image_file"); /* an item's part has it itself */
        struct uuid id;

        if (!id_parse(ID_FILE, json_get_text(file ? file : part, "file_id"), &id))
            continue;
        pg_array_add_uuid(&naming->ids, id);
        naming->count++;
    }
}

static void take_messages(struct naming *naming, struct json_object *messages)
{
    if (!json_object_is_type(messages, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(messages); i++)
        take_content(naming, json_get(json_object_array_get_idx(messages, i), "content"));
}

static void take_body(struct naming *naming, struct json_object *body)
{
    take_content(naming, json_get(body, "content"));
    take_messages(naming, json_get(body, "messages"));
    take_messages(naming, json_get(body, "input"));
    take_messages(naming, json_get(body, "items"));
    take_messages(naming, json_get(body, "additional_messages"));
    take_messages(naming, json_get(json_get(body, "thread"), "messages"));
    take_messages(naming, json_get(json_get(body, "run"), "additional_messages"));
}

static int check(const struct store *store, const struct naming *naming, struct failure *failure)
{
    char shown[ID_TEXT_SIZE];
    struct uuid missing;
    struct error err;
    int r;

    if (naming->count > FILES_MAX)
        return failure_param(failure, 400, "content", "too_many_files",
                             "The messages name %zu files: at most %d at once.", naming->count,
                             FILES_MAX);
    r = files_shown(store, &naming->ids, &missing, &err);
    if (r < 0)
        return failure_from_error(failure, &err);
    if (r == 0)
        return 0;
    id_format(ID_FILE, missing, shown);
    return failure_param(failure, 400, "content", "file_not_found",
                         "No file found with id '%s' whose purpose is 'vision', 'assistants' or "
                         "'user_data'.",
                         shown);
}

int message_files_look(const struct store *store, struct text text, struct json_object *body,
                       struct failure *failure)
{
    struct naming naming = {.count = 0};
    int r = 0;

    if (text.len == 0 || !memmem(text.ptr, text.len, "file_id", strlen("file_id")))
        return 0;
    buf_init(&naming.ids, 0);
    pg_array_begin(&naming.ids);
    take_body(&naming, body);
    if (naming.count > 0)
        r = check(store, &naming, failure);
    buf_deinit(&naming.ids);
    return r;
}

int message_files_check(struct request *request)
{
    struct store store = file_store(request);

    if (request->endpoint->takes != TAKES_JSON)
        return 0;
    return message_files_look(&store, request->exchange->body, request->body, &request->failure);
}
