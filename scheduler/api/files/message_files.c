/* Wherever a body may have messages or items they are looked at: members whose form was checked
 * before. A file may be deleted right afterwards, so whoever reads it for a model or a program
 * looks again. */

#include "scheduler/api/files/message_files.h"

#include "scheduler/api/files/file_keep.h"
#include "shared/base/error.h"
#include "shared/store/files/files.h"

#define FILES_MAX 1000 /* that a body may name */

/* Files that a body names, for one end. */
struct naming {
    struct buf ids; /* a uuid[] */
    size_t count;
    struct text strange; /* one that is no id of a file at all; TEXT_NONE: none is */
};

struct named {
    struct naming shown;   /* to models */
    struct naming handed;  /* to programs, by messages */
    struct naming at_hand; /* the same, by assistants and threads */
};

static void take_id(struct naming *naming, struct text said)
{
    struct uuid id;

    if (!said.ptr)
        return;
    if (!id_parse(ID_FILE, said, &id)) {
        naming->strange = said;
        return;
    }
    pg_array_add_uuid(&naming->ids, id);
    naming->count++;
}

static void take_content(struct named *named, struct json_object *content)
{
    if (!json_object_is_type(content, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(content); i++) {
        struct json_object *part = json_object_array_get_idx(content, i);
        struct json_object *file = json_get(part, "image_file"); /* an item's part has it itself */

        take_id(&named->shown, json_get_text(file ? file : part, "file_id"));
    }
}

static void take_attachments(struct named *named, struct json_object *attachments)
{
    if (!json_object_is_type(attachments, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(attachments); i++)
        take_id(&named->handed,
                json_get_text(json_object_array_get_idx(attachments, i), "file_id"));
}

static void take_resources(struct named *named, struct json_object *body)
{
    struct json_object *ids =
        json_path(body, "tool_resources", "code_interpreter", "file_ids", NULL);

    if (!json_object_is_type(ids, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(ids); i++)
        take_id(&named->at_hand, json_string(json_object_array_get_idx(ids, i)));
}

static void take_message(struct named *named, struct json_object *message)
{
    take_content(named, json_get(message, "content"));
    take_attachments(named, json_get(message, "attachments"));
}

static void take_messages(struct named *named, struct json_object *messages)
{
    if (!json_object_is_type(messages, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(messages); i++)
        take_message(named, json_object_array_get_idx(messages, i));
}

static void take_body(struct named *named, struct json_object *body)
{
    take_message(named, body);
    take_messages(named, json_get(body, "messages"));
    take_messages(named, json_get(body, "input"));
    take_messages(named, json_get(body, "items"));
    take_messages(named, json_get(body, "additional_messages"));
    take_messages(named, json_get(json_get(body, "thread"), "messages"));
    take_messages(named, json_get(json_get(body, "run"), "additional_messages"));
    take_resources(named, body);
    take_resources(named, json_get(body, "thread"));
}

typedef int (*find_missing_fn)(const struct store *store, const struct buf *ids,
                               struct uuid *out_missing, struct error *err);

struct judging {
    const struct store *store;
    find_missing_fn find;
    const char *param;
    const char *but; /* what else such a file has to be */
};

SUSPENDS static int check(const struct judging *judging, const struct naming *naming,
                          struct failure *failure)
{
    char shown[ID_TEXT_SIZE + 32];
    struct uuid missing;
    struct error err;
    int r = 0;

    if (naming->count > FILES_MAX)
        return failure_param(failure, 400, judging->param, "too_many_files",
                             "The request names %zu files: at most %d at once.", naming->count,
                             FILES_MAX);
    text_excerpt(naming->strange, shown, sizeof(shown));
    if (!naming->strange.ptr && naming->count > 0) {
        r = judging->find(judging->store, &naming->ids, &missing, &err);
        if (r == FILE_MISSING)
            id_format(ID_FILE, missing, shown);
    }
    if (r < 0)
        return failure_from_error(failure, &err);
    if (r == 0 && !naming->strange.ptr)
        return 0;
    return failure_param(failure, 400, judging->param, "file_not_found",
                         "No file found with id '%s'%s.", shown, judging->but);
}

int message_files_look(const struct store *store, struct text text, struct json_object *body,
                       struct failure *failure)
{
    const struct judging shown = {store, files_shown, "content",
                                  " whose purpose is 'vision', 'assistants' or 'user_data'"};
    const struct judging handed = {store, files_there, "attachments", ""};
    const struct judging at_hand = {store, files_there, "tool_resources", ""};
    struct named named = {0};
    struct naming *all[] = {&named.shown, &named.handed, &named.at_hand};
    int r;

    if (text.len == 0 || !memmem(text.ptr, text.len, "file_id", strlen("file_id")))
        return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
        buf_init(&all[i]->ids, 0);
        pg_array_begin(&all[i]->ids);
    }
    take_body(&named, body);
    r = check(&shown, &named.shown, failure);
    if (r == 0)
        r = check(&handed, &named.handed, failure);
    if (r == 0)
        r = check(&at_hand, &named.at_hand, failure);
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
        buf_deinit(&all[i]->ids);
    return r;
}

int message_files_check(struct request *request)
{
    struct store store = file_store(request);

    if (request->endpoint->takes != TAKES_JSON)
        return 0;
    return message_files_look(&store, request->exchange->body, request->body, &request->failure);
}
