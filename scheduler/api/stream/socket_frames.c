/* What a client says: JSON objects whose `type` is in the table below. What they do is done by the
 * endpoints that do it over HTTP, so it is checked, limited and told in the same way. An `id` makes
 * it happen once, whatever breaks in between: it is a part of an idempotency key, which holds for a
 * day, in the thread.
 */

#include <stdio.h>

#include "scheduler/api/stream/socket.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"

enum { ID_MAX = 128, PING_MAX = 64 };

struct saying {
    struct socket *socket;
    struct json_object *object;
    struct text id; /* TEXT_NONE: none */
};

static void refuse(const struct saying *saying, const char *param, const char *code,
                   const char *message)
{
    struct failure failure;

    (void)failure_param(&failure, 400, param, code, "%s", message);
    socket_send_error(saying->socket, saying->id, &failure);
}

static void say_ready(struct socket *socket)
{
    struct buf *json = &socket->out;
    size_t begun = socket_begin(socket, "ready");
    char thread[ID_TEXT_SIZE];

    id_format(ID_THREAD, socket->thread, thread);
    buf_printf(json, ",\"thread_id\":\"%s\",\"last_event_id\":\"", thread);
    socket_place_write(&socket->place, json);
    buf_printf(json, "\",\"ping_ms\":%d", SOCKET_PING_MS);
    socket_end(socket, begun);
}

/* An id that is none of this thread's is as none: the client sees from the reply where it is. */
static void hello(const struct saying *saying)
{
    struct socket *socket = saying->socket;
    struct text id = json_get_text(saying->object, "last_event_id");
    struct socket_place place;

    if (socket->reads) {
        refuse(saying, NULL, "invalid_request_error", "There was a hello already.");
        return;
    }
    if (id.ptr && socket_place_parse(id, &place))
        socket_begin_at(socket, &place);
    socket->reads = true;
    say_ready(socket);
}

static void subscribe(const struct saying *saying)
{
    if (!socket_set_format(saying->socket, json_get_text(saying->object, "format")))
        refuse(saying, "format", "invalid_value",
               "Invalid 'format'. Supported values are: openai, simple.");
}

static void ping(const struct saying *saying)
{
    struct buf *json = &saying->socket->out;
    struct json_object *t = json_get(saying->object, "t");
    struct text text = t ? json_text(t) : TEXT("null");
    size_t begun = socket_begin(saying->socket, "pong");

    buf_add_string(json, ",\"t\":");
    buf_add_text(json, text.len <= PING_MAX ? text : TEXT("null"));
    socket_end(saying->socket, begun);
}

static void add_id(struct buf *json, const char *name, struct json_object *object)
{
    struct text id = json_get_text(object, "id");

    if (!id.ptr)
        return;
    buf_printf(json, ",\"%s\":", name);
    buf_add_json(json, id);
}

/* The reply is a message, perhaps with its run, or a run. */
static void acknowledge(const struct saying *saying, struct json_object *reply)
{
    struct buf *json = &saying->socket->out;
    bool is_message = text_is(json_get_text(reply, "object"), "thread.message");
    size_t begun = socket_begin(saying->socket, "ack");

    buf_add_string(json, ",\"id\":");
    buf_add_json(json, saying->id);
    if (is_message)
        add_id(json, "message_id", reply);
    add_id(json, "run_id", is_message ? json_get(reply, "run") : reply);
    socket_end(saying->socket, begun);
}

/* The rest of the object is the body. What comes of it is sent at once. */
static void ask(const struct saying *saying, struct text path)
{
    struct socket *socket = saying->socket;
    CLEANUP(json_freep) struct json_object *reply = NULL;
    char thread[ID_TEXT_SIZE];
    char once[ID_TEXT_SIZE + ID_MAX + 8];
    struct inner_request inner = {.path = path, .once = {once, 0}};
    struct failure failure;

    id_format(ID_THREAD, socket->thread, thread);
    (void)snprintf(once, sizeof(once), "ws %s %.*s", thread, TEXT_ARGS(saying->id));
    inner.once.len = strlen(once);
    inner.body = json_text(saying->object);
    if (request_inner(socket->request, &inner, &reply, &failure) < 0)
        socket_send_error(socket, saying->id, &failure);
    else
        acknowledge(saying, reply);
    socket->look = true;
    (void)socket_flush(socket);
}

static void drop(const struct saying *saying, const char *member)
{
    json_object_object_del(saying->object, member);
}

static void message(const struct saying *saying)
{
    char thread[ID_TEXT_SIZE];
    char path[96];

    if (!json_has(saying->object, "role"))
        json_object_object_add(saying->object, "role", json_object_new_string("user"));
    id_format(ID_THREAD, saying->socket->thread, thread);
    (void)snprintf(path, sizeof(path), "/v1/threads/%s/messages", thread);
    ask(saying, text_of(path));
}

static void act_on_run(const struct saying *saying, const char *action)
{
    struct text said = json_get_text(saying->object, "run_id");
    char thread[ID_TEXT_SIZE];
    char run[ID_TEXT_SIZE];
    char path[160];
    struct failure failure;
    struct uuid id;

    if (!id_parse(ID_RUN, said, &id)) {
        (void)failure_missing(&failure, "run", said);
        socket_send_error(saying->socket, saying->id, &failure);
        return;
    }
    drop(saying, "run_id");
    id_format(ID_THREAD, saying->socket->thread, thread);
    id_format(ID_RUN, id, run);
    (void)snprintf(path, sizeof(path), "/v1/threads/%s/runs/%s/%s", thread, run, action);
    ask(saying, text_of(path));
}

static void tool_outputs(const struct saying *saying)
{
    act_on_run(saying, "submit_tool_outputs");
}

static void cancel(const struct saying *saying)
{
    act_on_run(saying, "cancel");
}

static const struct {
    const char *type;
    void (*take)(const struct saying *saying);
    bool is_asked; /* it has an id, and is done once */
} sayings[] = {
    {"hello", hello, false},    {"subscribe", subscribe, false},      {"ping", ping, false},
    {"message", message, true}, {"tool_outputs", tool_outputs, true}, {"cancel", cancel, true},
};

static void take_asked(struct saying *saying, void (*take)(const struct saying *saying))
{
    CLEANUP(buf_deinit) struct buf id;

    buf_init(&id, 0);
    if (!saying->id.ptr || saying->id.len == 0 || saying->id.len > ID_MAX) {
        saying->id = TEXT_NONE;
        refuse(saying, "id", "invalid_value",
               "Invalid 'id': expected 1 to 128 bytes that tell this message from all others of "
               "the thread, such as a UUID.");
        return;
    }
    buf_add_text(&id, saying->id); /* it goes with the member */
    saying->id = buf_text(&id);
    drop(saying, "id");
    drop(saying, "type");
    take(saying);
}

static bool read_object(struct socket *socket, struct text text, struct json_object **out)
{
    struct error err;

    if (json_decode(text, JSON_DEPTH_DEFAULT, out, &err) == 0 &&
        json_type_of(*out) == json_type_object)
        return true;
    socket_close(socket, WEBSOCKET_INVALID, "a message is one JSON object");
    return false;
}

void socket_refuse(struct socket *socket, struct text message, int64_t retry_after_ms)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct failure failure;

    if (!read_object(socket, message, &object))
        return;
    (void)failure_param(&failure, 429, NULL, "rate_limit_exceeded",
                        "Too many messages: at most %d a second. This one was not done.",
                        SOCKET_RATE);
    failure.retry_after_ms = retry_after_ms;
    socket_send_error(socket, json_get_text(object, "id"), &failure);
}

void socket_take(struct socket *socket, struct text text)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct saying saying = {.socket = socket};
    struct text type;

    if (!read_object(socket, text, &object))
        return;
    saying.object = object;
    saying.id = json_get_text(object, "id");
    type = json_get_text(object, "type");
    for (size_t i = 0; i < ARRAY_LENGTH(sayings); i++) {
        if (!text_is(type, sayings[i].type))
            continue;
        if (sayings[i].is_asked)
            take_asked(&saying, sayings[i].take);
        else
            sayings[i].take(&saying);
        return;
    }
    refuse(&saying, "type", "invalid_value",
           "Invalid 'type'. Supported values are: hello, subscribe, message, tool_outputs, cancel, "
           "ping.");
}
