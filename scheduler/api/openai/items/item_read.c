/* A request may bring what a model has said, as clients do that keep the conversation themselves:
 * texts, calls, and what came of these. It is stored as if a run had written it here. What a model
 * thought (items of the type reasoning) is passed over: it is of use to the model alone that it
 * came from, in a form that is not ours to give back. */

#include "scheduler/api/openai/items/item_read.h"

#include "scheduler/api/openai/items/compaction.h"
#include "scheduler/api/openai/items/items.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"
#include "shared/store/threads/messages.h"
#include "shared/submit/new_messages.h"
#include "shared/submit/title.h"
#include "shared/text/tokens.h"

struct reader {
    struct request *request;
    struct arena *arena;
    struct read_items read;
    size_t room;
    struct message_list found;     /* what is referred to */
    struct items items;            /* of these */
    struct message_draft *reply;   /* the one that calls are added to; NULL: none is open */
    struct buf calls;              /* of it */
    struct message_draft *results; /* of the server's calls among them */
    size_t results_count;
    struct text *call_ids; /* of functions, made here */
    struct text *call_names;
    bool *answered;
    size_t calls_count;
};

static int no_room(struct reader *reader)
{
    return failure_param(&reader->request->failure, 400, "input", "invalid_value",
                         "There are too many items: at most %d messages are taken at once.",
                         MESSAGE_DRAFTS_MAX);
}

static int failed(struct reader *reader, int code)
{
    struct error err;

    (void)error_set(&err, code, "no room for the items");
    return request_failed(reader->request, &err);
}

static struct text keep(struct reader *reader, const struct buf *buf)
{
    char *copy = buf->failed ? NULL : arena_copy(reader->arena, buf_text(buf));

    return copy ? (struct text){copy, buf->len} : TEXT_NONE;
}

static struct message_draft *add_draft(struct reader *reader)
{
    if (reader->read.count == reader->room)
        return NULL;
    return &reader->read.drafts[reader->read.count++];
}

/* ---- calls and their results ---- */

/* The reply that was open is whole; what came of its server's calls stands behind it. */
static int close_reply(struct reader *reader)
{
    struct message_draft *reply = reader->reply;

    reader->reply = NULL;
    if (!reply || reader->calls.len == 0)
        return 0;
    buf_add_char(&reader->calls, ']');
    reply->tool_calls = keep(reader, &reader->calls);
    buf_reset(&reader->calls);
    if (!reply->tool_calls.ptr)
        return failed(reader, E_LIMIT);
    for (size_t i = 0; i < reader->results_count; i++) {
        struct message_draft *draft = add_draft(reader);

        if (!draft)
            return no_room(reader);
        *draft = reader->results[i];
    }
    reader->results_count = 0;
    return 0;
}

/* `name` and `arguments` as JSON strings. */
static int add_call(struct reader *reader, struct text id, struct text name, struct text arguments)
{
    struct json_write w;

    if (!reader->reply) {
        reader->reply = add_draft(reader);
        if (!reader->reply)
            return no_room(reader);
        *reader->reply = (struct message_draft){
            .id = uuid_new(), .role = MESSAGE_ASSISTANT, .hidden = true, .content = TEXT("[]")};
    }
    buf_add_char(&reader->calls, reader->calls.len == 0 ? '[' : ',');
    json_write_init(&w, &reader->calls);
    json_write_open_object(&w, NULL);
    json_write_text(&w, "id", id);
    json_write_raw(&w, "name", name);
    json_write_raw(&w, "arguments", arguments);
    json_write_close(&w);
    reader->reply->tokens += tokens_estimate(arguments, TOKENS_O200K);
    return reader->calls.failed ? failed(reader, E_LIMIT) : 0;
}

static int make_result(struct reader *reader, struct text call_id, struct text name,
                       struct text output, struct message_draft *out)
{
    const struct new_call call = {.id = call_id, .name = name};
    struct error err;
    int r = new_message_result(&call, output.ptr ? output : TEXT(""), uuid_new(), reader->arena,
                               out, &err);

    return r < 0 ? request_failed(reader->request, &err) : 0;
}

static void note_call(struct reader *reader, struct text id, struct text name)
{
    reader->call_ids[reader->calls_count] = id;
    reader->call_names[reader->calls_count] = name;
    reader->answered[reader->calls_count++] = false;
}

/* The last call of that id that is not answered yet. */
static struct text note_output(struct reader *reader, struct text id)
{
    for (size_t i = reader->calls_count; i-- > 0;)
        if (!reader->answered[i] && text_equal(reader->call_ids[i], id)) {
            reader->answered[i] = true;
            return reader->call_names[i];
        }
    for (size_t i = 0; i < reader->read.outputs_count; i++)
        if (text_equal(reader->read.outputs[i], id))
            reader->read.repeated = id;
    reader->read.outputs[reader->read.outputs_count++] = id;
    return TEXT_NONE;
}

static int read_function_call(struct reader *reader, struct json_object *item)
{
    struct text id = json_get_text(item, "call_id");

    note_call(reader, id, json_get_text(item, "name"));
    return add_call(reader, id, json_text(json_get(item, "name")),
                    json_text(json_get(item, "arguments")));
}

/* A string, or parts that are joined. */
static int read_output(struct reader *reader, struct json_object *output, struct text *out)
{
    CLEANUP(buf_deinit) struct buf all;

    buf_init(&all, 0);
    if (!json_object_is_type(output, json_type_array)) {
        *out = json_string(output);
        return 0;
    }
    for (size_t i = 0; i < json_object_array_length(output); i++)
        buf_add_text(&all, json_get_text(json_object_array_get_idx(output, i), "text"));
    *out = keep(reader, &all);
    return out->ptr ? 0 : failed(reader, E_LIMIT);
}

static int read_function_output(struct reader *reader, struct json_object *item)
{
    struct text id = json_get_text(item, "call_id");
    struct message_draft *draft;
    struct text output;
    int r = close_reply(reader);

    if (r == 0)
        r = read_output(reader, json_get(item, "output"), &output);
    if (r < 0)
        return r;
    draft = add_draft(reader);
    if (!draft)
        return no_room(reader);
    return make_result(reader, id, note_output(reader, id), output, draft);
}

/* A call of a server's, ours or another one's: its id is the item's own. */
static int read_server_call(struct reader *reader, struct json_object *item)
{
    struct text id = json_get_text(item, "id");
    struct text output = json_get_text(item, "output");
    struct text name = json_get_text(item, "name");
    const char *made;
    int r;

    if (id.len == 0 || id.len > 64) {
        made = arena_printf(reader->arena, "call_%zu", reader->read.count);
        id = text_of(made ? made : "call");
    }
    if (!output.ptr && json_get(item, "error"))
        output = json_text(json_get(item, "error"));
    r = add_call(reader, id, json_text(json_get(item, "name")),
                 json_text(json_get(item, "arguments")));
    if (r < 0)
        return r;
    return make_result(reader, id, name, output, &reader->results[reader->results_count++]);
}

/* ---- what was said ---- */

/* A part as messages have it. */
static struct json_object *plain_part(struct json_object *part)
{
    struct json_object *out = json_object_new_object();
    struct json_object *image = json_get(part, "image_url");
    struct json_object *file = json_get(part, "file_id");
    struct json_object *text = json_get(part, "text");

    if (image || file) {
        const char *type = image ? "image_url" : "image_file";
        struct json_object *of = json_object_new_object();

        json_object_object_add(of, image ? "url" : "file_id",
                               json_object_get(image ? image : file));
        if (json_get(part, "detail"))
            json_object_object_add(of, "detail", json_object_get(json_get(part, "detail")));
        json_object_object_add(out, "type", json_object_new_string(type));
        json_object_object_add(out, type, of);
        return out;
    }
    if (!text)
        text = json_get(part, "refusal");
    json_object_object_add(out, "type", json_object_new_string("text"));
    json_object_object_add(out, "text", json_object_get(text));
    return out;
}

/* The item as a message of a thread has it. The caller puts it. */
static struct json_object *plain_message(struct json_object *item)
{
    struct json_object *message = json_object_new_object();
    struct json_object *content = json_get(item, "content");
    struct json_object *parts;
    struct text role = json_get_text(item, "role");

    if (text_is(role, "developer"))
        role = TEXT("system");
    json_object_object_add(message, "role", json_object_new_string_len(role.ptr, (int)role.len));
    if (!json_object_is_type(content, json_type_array)) {
        json_object_object_add(message, "content", json_object_get(content));
        return message;
    }
    parts = json_object_new_array();
    for (size_t i = 0; i < json_object_array_length(content); i++)
        json_object_array_add(parts, plain_part(json_object_array_get_idx(content, i)));
    json_object_object_add(message, "content", parts);
    return message;
}

static int add_message(struct reader *reader, struct json_object *message)
{
    struct message_draft *draft;
    struct error err;
    int r = close_reply(reader);

    if (r < 0)
        return r;
    draft = add_draft(reader);
    if (!draft)
        return no_room(reader);
    r = new_message_read(message, uuid_new(), reader->arena, draft, &err);
    if (r < 0)
        return request_failed(reader->request, &err);
    draft->metadata = TEXT_NONE;
    if (draft->role == MESSAGE_ASSISTANT)
        reader->reply = draft;
    else if (draft->role == MESSAGE_USER && !reader->read.title.ptr)
        reader->read.title = new_message_title(message, reader->arena);
    return 0;
}

static int read_message(struct reader *reader, struct json_object *item)
{
    CLEANUP(json_freep) struct json_object *message = plain_message(item);

    return add_message(reader, message);
}

static int read_said(struct reader *reader, struct text said)
{
    CLEANUP(json_freep) struct json_object *messages = new_message_said(said);

    return add_message(reader, json_object_array_get_idx(messages, 0));
}

/* It is no title: nobody has said it. */
static int read_compaction(struct reader *reader, struct json_object *item)
{
    struct text said = compaction_read(json_get_text(item, "encrypted_content"), reader->arena);
    struct text title = reader->read.title;
    int r = said.ptr ? read_said(reader, said) : failed(reader, E_LIMIT);

    reader->read.title = title;
    return r;
}

/* ---- what is referred to ---- */

static int too_large(struct reader *reader)
{
    return failure_param(&reader->request->failure, 400, "input", "items_too_large",
                         "The items that are referred to are too large: together they may have at "
                         "most %lld bytes. Refer to fewer, or go on behind the response or in the "
                         "conversation that has them.",
                         (long long)MESSAGES_FIND_BYTES_MAX);
}

/* Or it is there, and was left out. */
static int reference_missing(struct reader *reader, struct text id)
{
    char shown[64];

    if (reader->found.has_more)
        return too_large(reader);
    text_excerpt(id, shown, sizeof(shown));
    return failure_param(&reader->request->failure, 404, "input", NULL,
                         "Item with id '%s' not found.", shown);
}

static const struct message *find_result(const struct reader *reader, struct uuid run,
                                         struct text call_id)
{
    for (size_t i = 0; i < reader->found.count; i++) {
        const struct message *message = &reader->found.items[i];

        if (message->role == MESSAGE_TOOL && uuid_equal(message->run_id, run) &&
            text_equal(message->tool_call_id, call_id))
            return message;
    }
    return NULL;
}

static int copy_text(struct reader *reader, const struct message *message)
{
    struct message_draft *draft;
    int r = close_reply(reader);

    if (r < 0)
        return r;
    draft = add_draft(reader);
    if (!draft)
        return no_room(reader);
    *draft = (struct message_draft){
        .id = uuid_new(),
        .role = message->role,
        .content = message->content,
        .attachments = message->attachments,
        .tokens = message->tokens,
    };
    if (draft->role == MESSAGE_ASSISTANT)
        reader->reply = draft;
    return 0;
}

static int copy_output(struct reader *reader, const struct message *message)
{
    struct message_draft *draft;
    int r = close_reply(reader);

    if (r < 0)
        return r;
    draft = add_draft(reader);
    if (!draft)
        return no_room(reader);
    *draft = (struct message_draft){
        .id = uuid_new(),
        .role = MESSAGE_TOOL,
        .hidden = true,
        .content = message->content,
        .tool_call_id = message->tool_call_id,
        .tool_name = message->tool_name,
        .tokens = message->tokens,
    };
    (void)note_output(reader, message->tool_call_id);
    return 0;
}

static struct text string_of(struct reader *reader, struct text json)
{
    CLEANUP(buf_deinit) struct buf text;

    buf_init(&text, 0);
    (void)json_raw_add_string(json, &text);
    return keep(reader, &text);
}

static int copy_call(struct reader *reader, const struct message *message, struct item_id id,
                     struct text reference)
{
    const struct message *result;
    struct message_draft *draft;
    struct json_raw_walk walk;
    struct text call = TEXT_NONE;
    struct text call_id;
    struct text name;
    int r;

    json_raw_begin(message->tool_calls, &walk);
    for (size_t i = 0; i <= id.place; i++)
        if (!json_raw_next(&walk, &call))
            return reference_missing(reader, reference);
    call_id = string_of(reader, json_raw_get(call, "id"));
    name = string_of(reader, json_raw_get(call, "name"));
    if (!call_id.ptr || !name.ptr)
        return failed(reader, E_LIMIT);
    r = add_call(reader, call_id, json_raw_get(call, "name"), json_raw_get(call, "arguments"));
    if (r < 0)
        return r;
    if (id.kind == ITEM_FUNCTION_CALL) {
        note_call(reader, call_id, name);
        return 0;
    }
    result = find_result(reader, message->run_id, call_id);
    if (!result)
        return reader->found.has_more ? too_large(reader) : 0;
    draft = &reader->results[reader->results_count++];
    *draft = (struct message_draft){
        .id = uuid_new(),
        .role = MESSAGE_TOOL,
        .hidden = true,
        .content = result->content,
        .tool_call_id = call_id,
        .tool_name = name,
        .tokens = result->tokens,
    };
    return 0;
}

static int read_reference(struct reader *reader, struct json_object *item)
{
    struct text text = json_get_text(item, "id");
    const struct item *found;
    struct item_id id;

    if (text_starts(text, "rs_"))
        return 0;
    found = item_id_parse(text, &id) ? items_find(&reader->items, id) : NULL;
    if (!found)
        return reference_missing(reader, text);
    switch (id.kind) {
    case ITEM_MESSAGE:
        return copy_text(reader, found->message);
    case ITEM_FUNCTION_CALL:
    case ITEM_SERVER_CALL:
        return copy_call(reader, found->message, id, text);
    case ITEM_OUTPUT:
        return copy_output(reader, found->message);
    case ITEM_THOUGHT:
        break;
    }
    return reference_missing(reader, text);
}

static bool is_reference(struct json_object *item)
{
    return text_is(json_get_text(item, "type"), "item_reference") ||
           (!json_get_text(item, "type").ptr && !json_has(item, "role"));
}

static int find_references(struct reader *reader, struct json_object *input)
{
    size_t count = json_object_array_length(input);
    struct uuid *ids = arena_calloc(reader->arena, count + 1, sizeof(*ids));
    size_t ids_count = 0;
    struct error err;
    int r;

    if (!ids)
        return failed(reader, E_LIMIT);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(input, i);
        struct item_id id;

        if (is_reference(item) && item_id_parse(json_get_text(item, "id"), &id))
            ids[ids_count++] = id.message;
    }
    if (ids_count == 0)
        return 0;
    r = messages_find(&reader->request->store, ids, ids_count, &reader->found, &err);
    if (r == 0)
        r = items_of(&(struct item_source){.messages = reader->found.items,
                                           .count = reader->found.count,
                                           .is_servers = item_is_servers},
                     reader->arena, &reader->items, &err);
    return r < 0 ? request_failed(reader->request, &err) : 0;
}

/* ---- the whole ---- */

static int read_item(struct reader *reader, struct json_object *item)
{
    struct text type = json_get_text(item, "type");

    if (is_reference(item))
        return read_reference(reader, item);
    if (text_is(type, "function_call"))
        return read_function_call(reader, item);
    if (text_is(type, "function_call_output"))
        return read_function_output(reader, item);
    if (text_is(type, "mcp_call"))
        return read_server_call(reader, item);
    if (text_is(type, "compaction"))
        return read_compaction(reader, item);
    if (text_is(type, "reasoning"))
        return 0;
    return read_message(reader, item);
}

static int begin(struct reader *reader, size_t count)
{
    struct arena *arena = reader->arena;

    reader->room = MESSAGE_DRAFTS_MAX;
    reader->read.drafts = arena_calloc(arena, reader->room, sizeof(*reader->read.drafts));
    reader->results = arena_calloc(arena, count + 1, sizeof(*reader->results));
    reader->read.outputs = arena_calloc(arena, count + 1, sizeof(*reader->read.outputs));
    reader->call_ids = arena_calloc(arena, count + 1, sizeof(*reader->call_ids));
    reader->call_names = arena_calloc(arena, count + 1, sizeof(*reader->call_names));
    reader->answered = arena_calloc(arena, count + 1, sizeof(*reader->answered));
    if (reader->read.drafts && reader->results && reader->read.outputs && reader->call_ids &&
        reader->call_names && reader->answered)
        return 0;
    return failed(reader, E_LIMIT);
}

static int read_all(struct reader *reader, struct json_object *input)
{
    bool many = json_object_is_type(input, json_type_array);
    size_t count = many ? json_object_array_length(input) : 1;
    int r = begin(reader, count);

    if (r == 0 && !many)
        return input ? read_said(reader, json_string(input)) : 0;
    if (r == 0)
        r = find_references(reader, input);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = read_item(reader, json_object_array_get_idx(input, i));
    return r < 0 ? r : close_reply(reader);
}

int items_read(struct request *request, struct json_object *input, struct read_items *out)
{
    struct reader reader = {.request = request, .arena = request->store.arena};
    int r;

    buf_init(&reader.calls, 0);
    r = read_all(&reader, input);
    buf_deinit(&reader.calls);
    if (r < 0)
        return r;
    for (size_t i = 0; i < reader.calls_count && !reader.read.open_call.ptr; i++)
        if (!reader.answered[i])
            reader.read.open_call = reader.call_ids[i];
    *out = reader.read;
    return 0;
}
