/* Whatever a model writes where tools are said in words: read whole, and in pieces of any size, it
 * comes to the same text and the same calls; and what comes of it is a reply in form.
 *
 * The first byte is the size of the pieces, the second says what the request and the finish are. */

#include "providers/prompted/prompted_reply.h"
#include "providers/reply/reply_form.h"
#include "shared/base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    struct buf text;
    struct buf calls;
};

static void add_call(struct buf *out, struct text name)
{
    buf_add_char(out, '\1');
    buf_add_text(out, name);
    buf_add_char(out, '\2');
}

static void hear(void *arg, const struct chat_event *event)
{
    struct told *told = arg;

    if (event->kind == CHAT_EVENT_TEXT) {
        ASSERT(event->text.len > 0);
        buf_add_text(&told->text, event->text);
    } else if (event->kind == CHAT_EVENT_CALL) {
        add_call(&told->calls, event->name);
    } else if (event->kind == CHAT_EVENT_ARGUMENTS) {
        buf_add_text(&told->calls, event->text);
    }
}

static void stream(const struct chat_request *request, struct text text, size_t piece,
                   enum chat_finish finish, struct told *out)
{
    struct chat_sink sink = {hear, out};
    struct prompted_stream prompted;
    struct chat_event end = {.kind = CHAT_EVENT_FINISH, .finish = finish};

    prompted_stream_init(&prompted, request, &sink);
    while (text.len > 0) {
        struct chat_event event = {.kind = CHAT_EVENT_TEXT,
                                   .text = {text.ptr, piece < text.len ? piece : text.len}};

        prompted.sink.emit(prompted.sink.arg, &event);
        text.ptr += event.text.len;
        text.len -= event.text.len;
    }
    prompted.sink.emit(prompted.sink.arg, &end);
    prompted_stream_deinit(&prompted);
}

static void check_same(const struct chat_reply *reply, const struct told *told)
{
    struct buf calls;

    buf_init(&calls, 0);
    for (size_t i = 0; i < reply->tool_calls_count; i++) {
        ASSERT(reply->tool_calls[i].id.len == 0);
        add_call(&calls, reply->tool_calls[i].name);
        buf_add_text(&calls, reply->tool_calls[i].arguments);
    }
    ASSERT(text_equal(buf_text(&told->text), reply->text));
    ASSERT(text_equal(buf_text(&told->calls), buf_text(&calls)));
    buf_deinit(&calls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct chat_tool tools[] = {{.name = {"get_time", 8}}, {.name = {"f", 1}}};
    struct chat_request request = {.tools = tools, .tools_count = 2};
    struct arena arena;
    struct chat_reply reply = {.arena = &arena};
    struct told told;
    struct error err;
    struct text text;

    if (size < 2)
        return 0;
    text = (struct text){(const char *)data + 2, size - 2};
    request.parallel_tool_calls = data[1] & 1 ? CHAT_SWITCH_OFF : CHAT_SWITCH_UNSET;
    reply.finish = data[1] & 2 ? CHAT_FINISH_LENGTH : CHAT_FINISH_STOP;
    reply.text = text;
    arena_init(&arena, 0);
    buf_init(&told.text, 0);
    buf_init(&told.calls, 0);
    stream(&request, text, (size_t)data[0] + 1, reply.finish, &told);
    ASSERT(prompted_tools_decode(&request, &reply, &err) == 0);
    check_same(&reply, &told);
    ASSERT(reply.text.len <= text.len);
    ASSERT(!(data[1] & 1) || reply.tool_calls_count <= 1);
    if (reply_form(&reply, 0, text, &err) == 0)
        for (size_t i = 0; i < reply.tool_calls_count; i++)
            ASSERT(reply.tool_calls[i].name.len > 0 && reply.tool_calls[i].id.len > 0);
    buf_deinit(&told.text);
    buf_deinit(&told.calls);
    arena_deinit(&arena);
    return 0;
}
