/* From messages to items, by reading JSON where it lies: texts may be megabytes, and are copied
 * once. */

#include "scheduler/api/openai/items/items.h"

#include "shared/agent/tools/tools.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

/* ---- which calls are whose ---- */

bool item_is_servers(void *arg, struct text name, const struct message *result)
{
    (void)arg;
    if (result && uuid_is_zero(result->run_id))
        return false; /* a client brought it */
    for (size_t i = 0; i < tool_kinds_count; i++)
        if (tool_kinds[i].executor == TOOL_BY_SERVER && json_raw_is(name, tool_kinds[i].type))
            return true;
    return false;
}

bool item_is_servers_of(void *arg, struct text name, const struct message *result)
{
    const struct text *spec = arg;
    struct json_raw_walk walk;
    struct text tool;

    (void)result;
    json_raw_begin(json_raw_get(*spec, "tools"), &walk);
    while (json_raw_next(&walk, &tool))
        if (text_equal(json_raw_get(json_raw_get(tool, "function"), "name"), name))
            return false;
    return true;
}

bool item_runs_on_server(struct text spec, struct text name)
{
    CLEANUP(buf_deinit) struct buf json;

    buf_init(&json, 0);
    buf_add_json(&json, name);
    return item_is_servers_of(&spec, buf_text(&json), NULL);
}

void item_functions_write(struct text spec, struct buf *out)
{
    struct json_raw_walk walk;
    struct json_write w;
    struct text tool;

    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_open_array(&w, "tools");
    json_raw_begin(json_raw_get(spec, "tools"), &walk);
    while (json_raw_next(&walk, &tool)) {
        struct text function = json_raw_get(tool, "function");

        if (!function.ptr)
            continue;
        json_write_open_object(&w, NULL);
        json_write_open_object(&w, "function");
        json_write_raw(&w, "name", json_raw_get(function, "name"));
        json_write_close(&w);
        json_write_close(&w);
    }
    json_write_close(&w);
    json_write_close(&w);
}

/* ---- from messages to items ---- */

struct reading {
    const struct item_source *source;
    struct items items;
    size_t room;
    bool *taken; /* messages that are the result of a server's call */
};

/* What came of a call: the first message behind it that answers it, and is no call's already. */
static size_t find_result(const struct reading *reading, size_t behind, struct text call_id)
{
    const struct item_source *source = reading->source;
    CLEANUP(buf_deinit) struct buf id;

    buf_init(&id, 0);
    (void)json_raw_add_string(call_id, &id);
    for (size_t i = behind + 1; i < source->count; i++)
        if (source->messages[i].role == MESSAGE_TOOL && !reading->taken[i] &&
            text_equal(source->messages[i].tool_call_id, buf_text(&id)))
            return i;
    return source->count;
}

static void add(struct reading *reading, struct item item)
{
    ASSERT(reading->items.count < reading->room);
    reading->items.list[reading->items.count++] = item;
}

static void add_call(struct reading *reading, size_t at, struct text call, size_t place)
{
    const struct item_source *source = reading->source;
    const struct message *message = &source->messages[at];
    size_t found = find_result(reading, at, json_raw_get(call, "id"));
    const struct message *result = found < source->count ? &source->messages[found] : NULL;
    bool servers = source->is_servers(source->arg, json_raw_get(call, "name"), result);

    if (servers && result)
        reading->taken[found] = true;
    add(reading, (struct item){
                     .id = {servers ? ITEM_SERVER_CALL : ITEM_FUNCTION_CALL, message->id, place},
                     .message = message,
                     .call = call,
                     .result = servers ? result : NULL,
                     .ended = !servers || result || !source->in_work,
                 });
}

/* What was thought before this reply stands before it. */
static void add_thought(struct reading *reading, const struct message *message)
{
    const struct step_thoughts *thoughts = reading->source->thoughts;
    struct item_id id = item_thought_id(message->id);

    for (size_t i = 0; thoughts && i < thoughts->count; i++) {
        const struct step_thought *thought = &thoughts->items[i];

        if (!uuid_equal(item_thought_id(thought->step).message, id.message))
            continue;
        add(reading,
            (struct item){.id = id, .message = message, .thought = thought->text, .ended = true});
        return;
    }
}

static void add_message(struct reading *reading, size_t at)
{
    const struct message *message = &reading->source->messages[at];
    struct json_raw_walk walk;
    struct text call;
    size_t place = 0;

    if (message->role == MESSAGE_TOOL) {
        if (!reading->taken[at])
            add(reading, (struct item){.id = {ITEM_OUTPUT, message->id, 0},
                                       .message = message,
                                       .ended = true});
        return;
    }
    if (message->role == MESSAGE_ASSISTANT)
        add_thought(reading, message);
    if (!json_raw_is_empty(message->content) || !message->tool_calls.ptr)
        add(reading,
            (struct item){.id = {ITEM_MESSAGE, message->id, 0}, .message = message, .ended = true});
    json_raw_begin(message->tool_calls, &walk);
    while (place < ITEM_CALLS_MAX && json_raw_next(&walk, &call))
        add_call(reading, at, call, place++);
}

static size_t count_calls(const struct message *message)
{
    struct json_raw_walk walk;
    struct text call;
    size_t count = 0;

    json_raw_begin(message->tool_calls, &walk);
    while (count < ITEM_CALLS_MAX && json_raw_next(&walk, &call))
        count++;
    return count;
}

int items_of(const struct item_source *source, struct arena *arena, struct items *out,
             struct error *err)
{
    struct reading reading = {.source = source};

    for (size_t i = 0; i < source->count; i++)
        reading.room += 2 + count_calls(&source->messages[i]);
    reading.items.list = arena_calloc(arena, reading.room + 1, sizeof(*reading.items.list));
    reading.taken = arena_calloc(arena, source->count + 1, sizeof(*reading.taken));
    if (!reading.items.list || !reading.taken)
        return error_set(err, E_LIMIT, "too many items");
    for (size_t i = 0; i < source->count; i++)
        add_message(&reading, i);
    *out = reading.items;
    return 0;
}

static bool is_call(enum item_kind kind)
{
    return kind == ITEM_FUNCTION_CALL || kind == ITEM_SERVER_CALL;
}

const struct item *items_find(const struct items *items, struct item_id id)
{
    for (size_t i = 0; i < items->count; i++) {
        const struct item *item = &items->list[i];

        if (uuid_equal(item->id.message, id.message) && item->id.place == id.place &&
            (item->id.kind == id.kind || (is_call(item->id.kind) && is_call(id.kind))))
            return item;
    }
    return NULL;
}

/* ---- from items to JSON ---- */

static void write_text_part(struct json_write *w, struct text text, bool said_by_model)
{
    json_write_string(w, "type", said_by_model ? "output_text" : "input_text");
    json_write_raw(w, "text", text.ptr ? text : TEXT("\"\""));
    if (!said_by_model)
        return;
    json_write_raw(w, "annotations", TEXT("[]"));
    json_write_raw(w, "logprobs", TEXT("[]"));
}

/* {"url"} or {"file_id"}, with what else it may have. */
static void write_image(struct json_write *w, struct text image)
{
    struct text detail = json_raw_get(image, "detail");
    struct text file = json_raw_get(image, "file_id");
    struct text url = json_raw_get(image, "url");

    json_write_string(w, "type", "input_image");
    json_write_raw(w, "detail", detail.ptr ? detail : TEXT("\"auto\""));
    json_write_raw(w, "file_id", file.ptr ? file : TEXT("null"));
    json_write_raw(w, "image_url", url.ptr ? url : TEXT("null"));
}

static void write_part(struct json_write *w, struct text part, bool said_by_model)
{
    struct text text = json_raw_get(part, "text");
    struct text refusal = json_raw_get(part, "refusal");
    struct text image = json_raw_get(part, "image_url");

    if (!image.ptr)
        image = json_raw_get(part, "image_file");
    if (!text.ptr && !refusal.ptr && !image.ptr)
        return;
    json_write_open_object(w, NULL);
    if (refusal.ptr) {
        json_write_string(w, "type", "refusal");
        json_write_raw(w, "refusal", refusal);
    } else if (image.ptr) {
        write_image(w, image);
    } else {
        write_text_part(w,
                        json_raw_type(text) == JSON_RAW_OBJECT ? json_raw_get(text, "value") : text,
                        said_by_model);
    }
    json_write_close(w);
}

static void write_content(struct json_write *w, const char *name, const struct message *message)
{
    struct json_raw_walk walk;
    struct text part;

    json_write_open_array(w, name);
    json_raw_begin(message->content, &walk);
    while (json_raw_next(&walk, &part))
        write_part(w, part, message->role == MESSAGE_ASSISTANT);
    json_write_close(w);
}

void item_content_write(const struct message *message, struct buf *out)
{
    struct json_write w;

    json_write_init(&w, out);
    write_content(&w, NULL, message);
}

static void write_message(struct json_write *w, const struct message *message)
{
    json_write_string(w, "type", "message");
    json_write_text(w, "status", message->status.ptr ? message->status : TEXT("completed"));
    json_write_string(w, "role", message_role_name(message->role));
    write_content(w, "content", message);
}

/* The text parts of what came of a call; most have one, which is copied as it is. */
static void write_output(struct json_write *w, const struct message *message)
{
    CLEANUP(buf_deinit) struct buf all;
    struct json_raw_walk walk;
    struct text first = TEXT("\"\"");
    struct text part;
    size_t count = 0;

    buf_init(&all, 0);
    json_raw_begin(message->content, &walk);
    while (json_raw_next(&walk, &part)) {
        struct text value = json_raw_get(json_raw_get(part, "text"), "value");

        if (value.ptr && count++ == 0)
            first = value;
    }
    if (count <= 1) {
        json_write_raw(w, "output", first);
        return;
    }
    json_raw_begin(message->content, &walk);
    while (json_raw_next(&walk, &part))
        (void)json_raw_add_string(json_raw_get(json_raw_get(part, "text"), "value"), &all);
    json_write_text(w, "output", buf_text(&all));
}

static const char *call_status(const struct item *item)
{
    if (item->id.kind == ITEM_FUNCTION_CALL || item->result)
        return "completed";
    return item->ended ? "incomplete" : "in_progress";
}

static void write_raw_call(struct json_write *w, const struct item *item)
{
    struct text arguments = json_raw_get(item->call, "arguments");
    bool servers = item->id.kind == ITEM_SERVER_CALL;

    json_write_string(w, "type", servers ? "mcp_call" : "function_call");
    json_write_string(w, "status", call_status(item));
    if (servers)
        json_write_string(w, "server_label", ITEM_SERVER_LABEL);
    else
        json_write_raw(w, "call_id", json_raw_get(item->call, "id"));
    json_write_raw(w, "name", json_raw_get(item->call, "name"));
    json_write_raw(w, "arguments", arguments.ptr ? arguments : TEXT("\"\""));
    if (!servers)
        return;
    json_write_null(w, "approval_request_id");
    json_write_null(w, "error");
    if (item->result)
        write_output(w, item->result);
    else
        json_write_null(w, "output");
}

static void write_thought(struct json_write *w, struct text thought, const char *status)
{
    json_write_string(w, "type", "reasoning");
    json_write_string(w, "status", status);
    json_write_open_array(w, "summary");
    if (thought.len > 0) {
        json_write_open_object(w, NULL);
        json_write_string(w, "type", "summary_text");
        json_write_text(w, "text", thought);
        json_write_close(w);
    }
    json_write_close(w);
}

void item_thought_write(struct item_id id, struct text thought, const char *status, struct buf *out)
{
    char text[ITEM_ID_SIZE];
    struct json_write w;

    item_id_format(id, text);
    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "id", text);
    write_thought(&w, thought, status);
    json_write_close(&w);
}

void item_write(const struct item *item, struct buf *out)
{
    char id[ITEM_ID_SIZE];
    struct json_write w;

    item_id_format(item->id, id);
    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "id", id);
    switch (item->id.kind) {
    case ITEM_MESSAGE:
        write_message(&w, item->message);
        break;
    case ITEM_FUNCTION_CALL:
    case ITEM_SERVER_CALL:
        write_raw_call(&w, item);
        break;
    case ITEM_THOUGHT:
        write_thought(&w, item->thought, "completed");
        break;
    case ITEM_OUTPUT:
        json_write_string(&w, "type", "function_call_output");
        json_write_string(&w, "status", "completed");
        json_write_text(&w, "call_id", item->message->tool_call_id);
        write_output(&w, item->message);
        break;
    }
    json_write_close(&w);
}

void items_write(const struct items *items, struct buf *out)
{
    for (size_t i = 0; i < items->count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        item_write(&items->list[i], out);
    }
}

void item_call_write(const struct item_call *call, struct buf *out)
{
    bool servers = call->id.kind == ITEM_SERVER_CALL;
    char id[ITEM_ID_SIZE];
    struct json_write w;

    item_id_format(call->id, id);
    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "id", id);
    json_write_string(&w, "type", servers ? "mcp_call" : "function_call");
    json_write_string(&w, "status", call->status);
    if (servers)
        json_write_string(&w, "server_label", ITEM_SERVER_LABEL);
    else
        json_write_text(&w, "call_id", call->call_id);
    json_write_text(&w, "name", call->name);
    json_write_text(&w, "arguments", call->arguments);
    if (servers) {
        json_write_null(&w, "approval_request_id");
        json_write_null(&w, "error");
        json_write_text(&w, "output", call->output);
    }
    json_write_close(&w);
}
