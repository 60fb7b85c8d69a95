/* Memories of a user: sentences that are known of him. Pairs of key and value are another resource
 * (assistants/user_memory.c). */

#include "scheduler/api/assistants/users.h"
#include "scheduler/api/listing.h"
#include "scheduler/api/memories/memory_common.h"
#include "scheduler/api/memories/resources.h"
#include "shared/json/json.h"
#include "shared/recall/memory_text.h"

/* What a text may take in which each character is an escape, with some blanks that are left out. */
#define BODY_BYTES_MAX ((size_t)64 << 10)

/* Of which what is more than MEMORY_TEXT_MAX bytes is refused when it is in form. */
#define SAID_MAX 16384

static const struct field create_fields[] = {
    {"text", FIELD_STRING, FIELD_REQUIRED, 1, SAID_MAX, NULL, check_memory_text},
    {"kind", FIELD_STRING, FIELD_NULLABLE, 0, 0, memory_kind_names, NULL},
    {"assistant_id", FIELD_STRING, FIELD_NULLABLE, 0, 0, NULL, NULL},
};
static const struct fields body_create = {create_fields, ARRAY_LENGTH(create_fields),
                                          sizeof(create_fields[0]), NULL, 0};

static const struct field update_fields[] = {
    {"text", FIELD_STRING, FIELD_NULLABLE, 1, SAID_MAX, NULL, check_memory_text},
    {"kind", FIELD_STRING, FIELD_NULLABLE, 0, 0, memory_kind_names, NULL},
};
static const struct fields body_update = {update_fields, ARRAY_LENGTH(update_fields),
                                          sizeof(update_fields[0]), NULL, 0};

static int reply(struct request *request, struct text user, const struct memory *memory)
{
    struct json_write write;

    json_write_init(&write, &request->reply);
    json_write_open_object(&write, NULL);
    memory_write(&write, user, memory);
    json_write_close(&write);
    return 0;
}

static int missing(struct request *request)
{
    return request_missing(request, "memory", request->exchange->params[1]);
}

static int read_path(struct request *request, struct text *out_user, struct uuid *out_id)
{
    int r = request_user(request, out_user);

    return r < 0 ? r : request_id(request, 1, ID_MEMORY, "memory", out_id);
}

SUSPENDS static int changed(struct request *request, struct text user, struct uuid id,
                            int64_t expected)
{
    struct memory now;
    struct error err;
    int r = memories_get(&request->store, user, id, &now, &err);

    if (r == MEMORY_MISSING)
        return missing(request);
    if (r < 0)
        return request_failed(request, &err);
    return failure_param(&request->failure, 412, "If-Match", "memory_changed",
                         "The memory has version %" PRId64 " now, not %" PRId64
                         ". Read it again and repeat the change.",
                         now.version, expected);
}

static int full(struct request *request, struct text user)
{
    char shown[64];

    text_excerpt(user, shown, sizeof(shown));
    return failure_param(&request->failure, 400, NULL, "memory_full",
                         "There are %d memories of the user '%s', and no more are kept: delete "
                         "some that do not matter any more.",
                         MEMORIES_MAX, shown);
}

/* The text that the body says, with its vector. */
static int read_content(struct request *request, struct text user, struct memory_text *text,
                        struct memory_content *out)
{
    int r = memory_text_make(&request->exchange->arena, json_get_text(request->body, "text"), text);

    if (r != 0)
        return failure_param(&request->failure, 500, NULL, NULL, "There is no room for the text.");
    *out =
        (struct memory_content){.text = text->text, .words = text->words, .sha256 = text->sha256};
    return memory_vector(request, user, text->text, false, &out->vector, &out->model);
}

static void read_kind(struct request *request, enum memory_kind *out)
{
    IGNORE(memory_kind_of(json_get_text(request->body, "kind"), out)); /* else it stays as it is */
}

static int memory_create(struct request *request)
{
    struct memory_draft draft = {
        .id = request->object, .kind = MEMORY_FACT, .source = MEMORY_BY_API};
    struct memory_text text;
    struct memory memory;
    struct text user;
    struct error err;
    int r = request_user(request, &user);

    if (r == 0)
        r = request_agent(request, "assistant_id", json_get_text(request->body, "assistant_id"),
                          AGENT_THERE, &draft.agent);
    if (r == 0)
        r = read_content(request, user, &text, &draft.content);
    if (r < 0)
        return r;
    read_kind(request, &draft.kind);
    request_write_apart(request);
    r = memories_put(&request->store, user, &draft, &memory, &err);
    if (r == MEMORIES_FULL)
        return full(request, user);
    return r < 0 ? request_failed(request, &err) : reply(request, user, &memory);
}

static int memory_get(struct request *request)
{
    struct memory memory;
    struct text user;
    struct uuid id;
    struct error err;
    int r = read_path(request, &user, &id);

    if (r < 0)
        return r;
    r = memories_get(&request->store, user, id, &memory, &err);
    if (r == MEMORY_MISSING)
        return missing(request);
    return r < 0 ? request_failed(request, &err) : reply(request, user, &memory);
}

static int there(struct request *request, const struct memory *other)
{
    char id[ID_TEXT_SIZE];

    id_format(ID_MEMORY, other->id, id);
    (void)failure_param(&request->failure, 409, "text", "memory_exists",
                        "The memory '%s' says this already. Delete one of the two.", id);
    request->failure.retry = RETRY_NO;
    return -E_INVALID;
}

static int change(struct request *request, struct text user, struct uuid id,
                  const struct memory_change *wanted)
{
    struct memory memory;
    struct error err;
    int r;

    request_write_apart(request);
    r = memories_update(&request->store, user, id, wanted, &memory, &err);
    switch (r) {
    case 0:
        return reply(request, user, &memory);
    case MEMORY_MISSING:
        return missing(request);
    case MEMORY_CHANGED:
        return changed(request, user, id, wanted->version);
    case MEMORY_THERE:
        return there(request, &memory);
    default:
        return request_failed(request, &err);
    }
}

static int memory_update(struct request *request)
{
    struct memory_draft draft = {.id = uuid_new(), .source = MEMORY_BY_API};
    struct memory_change wanted = {.draft = &draft};
    struct memory_text text;
    struct text user;
    struct uuid id;
    int r = read_path(request, &user, &id);

    if (r == 0)
        r = request_if_match(request, 1, "a memory's 'version'", &wanted.version);
    wanted.sets_kind = json_get(request->body, "kind") != NULL;
    wanted.sets_text = json_get(request->body, "text") != NULL;
    if (r == 0 && !wanted.sets_kind && !wanted.sets_text)
        r = failure_param(&request->failure, 400, NULL, "missing_required_parameter",
                          "Nothing is to be changed: say 'text', 'kind' or both.");
    if (r == 0 && wanted.sets_text)
        r = read_content(request, user, &text, &draft.content);
    if (r < 0)
        return r;
    read_kind(request, &draft.kind);
    return change(request, user, id, &wanted);
}

static int memory_delete(struct request *request)
{
    int64_t version;
    struct text user;
    struct uuid id;
    struct error err;
    int r = read_path(request, &user, &id);

    if (r == 0)
        r = request_if_match(request, 1, "a memory's 'version'", &version);
    if (r < 0)
        return r;
    request_write_apart(request);
    r = memories_forget(&request->store, user, id, version, &err);
    if (r == MEMORY_MISSING)
        return missing(request);
    if (r == MEMORY_CHANGED)
        return changed(request, user, id, version);
    if (r < 0)
        return request_failed(request, &err);
    request_tell_deleted(request, ID_MEMORY, id, "memory.deleted");
    return 0;
}

/* "null" is what all agents know. */
static int read_scope(struct request *request, struct memory_filter *out)
{
    struct text said = http_query_get(request->exchange, "assistant_id", 0);

    out->of_agent = said.ptr != NULL;
    if (!said.ptr || text_is(said, "null"))
        return 0;
    return request_agent(request, "assistant_id", said, AGENT_EVER, &out->agent);
}

static int memory_delete_all(struct request *request)
{
    struct memory_filter filter = {.kind = -1};
    struct json_write write;
    int64_t removed;
    struct text user;
    struct error err;
    int r = request_user(request, &user);

    if (r == 0)
        r = read_scope(request, &filter);
    if (r < 0)
        return r;
    request_write_apart(request);
    r = memories_forget_all(&request->store, user, &filter, &removed, &err);
    if (r < 0)
        return request_failed(request, &err);
    json_write_init(&write, &request->reply);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "user.memories.deleted");
    json_write_text(&write, "user_id", user);
    json_write_bool(&write, "deleted", true);
    json_write_int(&write, "removed", removed);
    json_write_close(&write);
    return 0;
}

static int read_source(struct request *request, struct uuid *out)
{
    struct text said = http_query_get(request->exchange, "run_id", 0);

    if (!said.ptr || id_parse(ID_RUN, said, out))
        return 0;
    return request_missing(request, "run", said);
}

static int read_filter(struct request *request, struct memory_filter *out)
{
    static const char *const replaced[] = {"true", "false", "all", NULL};
    struct text kind;
    struct text which;
    enum memory_kind found;
    int r = request_query_word(request, "kind", memory_kind_names, &kind);

    if (r == 0)
        r = request_query_word(request, "replaced", replaced, &which);
    if (r == 0)
        r = read_scope(request, out);
    if (r == 0)
        r = read_source(request, &out->source_run);
    if (r < 0)
        return r;
    out->kind = memory_kind_of(kind, &found) ? (int)found : -1;
    out->which = text_is(which, "true")  ? MEMORIES_REPLACED
                 : text_is(which, "all") ? MEMORIES_ALL
                                         : MEMORIES_LIVING;
    return 0;
}

static int memory_list(struct request *request)
{
    struct memory_filter filter = {.kind = -1};
    struct memory_list memories;
    struct listing list;
    struct text user;
    struct error err;
    int r = request_user(request, &user);

    if (r == 0)
        r = listing_begin(&list, request, ID_MEMORY);
    if (r == 0)
        r = read_filter(request, &filter);
    if (r < 0)
        return r;
    r = memories_list(&request->store, user, &filter, &list.page, &memories, &err);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; i < memories.count; i++) {
        listing_add(&list, memories.items[i].id);
        (void)reply(request, user, &memories.items[i]);
    }
    listing_end(&list, memories.has_more);
    return 0;
}

static const char *const list_query[] = {LISTING_QUERY, "kind",     "assistant_id",
                                         "run_id",      "replaced", NULL};
static const char *const scope_query[] = {"assistant_id", NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/users/{user}/memories",
     .handle = memory_list,
     .query = list_query, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/users/{user}/memories",
     .handle = memory_create,
     .takes = TAKES_JSON, .body = &body_create, .body_bytes_max = BODY_BYTES_MAX,
     .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_DELETE,
     .pattern = "/v1/users/{user}/memories",
     .handle = memory_delete_all,
     .query = scope_query},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/users/{user}/memories/{memory_id}",
     .handle = memory_get},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/users/{user}/memories/{memory_id}",
     .handle = memory_update,
     .takes = TAKES_JSON, .body = &body_update, .body_bytes_max = BODY_BYTES_MAX},
    {.method = HTTP_METHOD_DELETE,
     .pattern = "/v1/users/{user}/memories/{memory_id}",
     .handle = memory_delete},
};
/* clang-format on */

const struct endpoint_table memory_endpoints = ENDPOINT_TABLE(table);
