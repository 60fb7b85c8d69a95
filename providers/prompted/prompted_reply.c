/* Both ways of a reply, over one reader. */

#include "providers/prompted/prompted_reply.h"

#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"

/* ---- whole ---- */

struct decoding {
    struct chat_reply *reply;
    struct buf text;
    struct chat_tool_call *calls;
    size_t count;
    bool full;
};

static void decoding_deinit(struct decoding *decoding)
{
    buf_deinit(&decoding->text);
    free(decoding->calls);
}

static bool is_cut(enum chat_finish finish)
{
    return finish == CHAT_FINISH_LENGTH || finish == CHAT_FINISH_FILTER;
}

static void keep_text(void *arg, struct text text)
{
    struct decoding *decoding = arg;

    buf_add_text(&decoding->text, text);
}

/* False: the arena is full. */
static bool copy(struct arena *arena, struct text said, struct text *out)
{
    char *bytes = said.len ? arena_copy(arena, said) : NULL;

    *out = (struct text){bytes, said.len};
    return said.len == 0 || bytes;
}

static void keep_call(void *arg, const struct prompted_call *said)
{
    struct decoding *decoding = arg;
    struct chat_tool_call call = {.problem = text_of(said->problem)};

    if (decoding->count % 8 == 0)
        decoding->calls =
            xrealloc(decoding->calls, (decoding->count + 8) * sizeof(*decoding->calls));
    if (!copy(decoding->reply->arena, said->name, &call.name) ||
        !copy(decoding->reply->arena, said->arguments, &call.arguments))
        decoding->full = true;
    decoding->calls[decoding->count++] = call;
}

static int put(const struct decoding *decoding, struct error *err)
{
    struct chat_reply *reply = decoding->reply;
    size_t count = reply->tool_calls_count + decoding->count;
    struct chat_tool_call *calls = arena_calloc(reply->arena, count, sizeof(*calls));
    struct text text;

    if (decoding->full || decoding->text.failed || !calls ||
        !copy(reply->arena, buf_text(&decoding->text), &text))
        return error_set(err, E_LIMIT, "the reply is too large for the run's memory");
    if (reply->tool_calls_count)
        memcpy(calls, reply->tool_calls, reply->tool_calls_count * sizeof(*calls));
    memcpy(calls + reply->tool_calls_count, decoding->calls, decoding->count * sizeof(*calls));
    reply->tool_calls = calls;
    reply->tool_calls_count = count;
    reply->text = text;
    if (!is_cut(reply->finish))
        reply->finish = CHAT_FINISH_TOOL;
    return 0;
}

int prompted_tools_decode(const struct chat_request *request, struct chat_reply *reply,
                          struct error *err)
{
    CLEANUP(decoding_deinit) struct decoding decoding = {.reply = reply};
    struct prompted_handler handler = {keep_text, keep_call, &decoding};
    struct prompted_reader reader;
    bool shorter;
    int r;

    if (reply->finish == CHAT_FINISH_REFUSAL)
        return 0;
    buf_init(&decoding.text, reply->text.len + PROMPTED_REPLY_CALLS_MAX * 2 + 1);
    prompted_reader_init(&reader, request, &handler);
    prompted_reader_feed(&reader, reply->text);
    r = prompted_reader_finish(&reader, is_cut(reply->finish), err);
    prompted_reader_deinit(&reader);
    if (r < 0)
        return r;
    if (decoding.count > 0)
        return put(&decoding, err);
    /* A call that was cut off is left out, even where there is no other. */
    shorter = decoding.text.len < reply->text.len;
    reply->text = text_prefix(reply->text, decoding.text.len);
    if (shorter && reply->text.len == 0)
        reply->text = TEXT_NONE;
    return 0;
}

/* ---- while it arrives ---- */

static void tell(const struct prompted_stream *stream, const struct chat_event *event)
{
    if (stream->to)
        stream->to->emit(stream->to->arg, event);
}

static void tell_text(void *arg, struct text text)
{
    tell(arg, &(struct chat_event){.kind = CHAT_EVENT_TEXT, .text = text});
}

static void tell_call(void *arg, const struct prompted_call *call)
{
    struct prompted_stream *stream = arg;
    struct chat_event begin = {
        .kind = CHAT_EVENT_CALL, .number = stream->calls, .id = TEXT(""), .name = call->name};
    struct chat_event arguments = {
        .kind = CHAT_EVENT_ARGUMENTS, .number = stream->calls, .text = call->arguments};

    stream->calls++;
    tell(stream, &begin);
    if (call->arguments.len > 0)
        tell(stream, &arguments);
}

static void end(struct prompted_stream *stream, bool cut)
{
    if (!stream->ended)
        IGNORE(prompted_reader_finish(&stream->reader, cut, NULL)); /* the reply tells */
    stream->ended = true;
}

static void tell_finish(struct prompted_stream *stream, const struct chat_event *event)
{
    struct chat_event told = *event;

    end(stream, is_cut(event->finish));
    if (stream->calls > 0 && !is_cut(event->finish))
        told.finish = CHAT_FINISH_TOOL;
    tell(stream, &told);
}

static void filter(void *arg, const struct chat_event *event)
{
    struct prompted_stream *stream = arg;

    if (event->kind == CHAT_EVENT_FINISH)
        tell_finish(stream, event);
    else if (event->kind == CHAT_EVENT_TEXT && !stream->ended)
        prompted_reader_feed(&stream->reader, event->text);
    else
        tell(stream, event);
}

void prompted_stream_init(struct prompted_stream *stream, const struct chat_request *request,
                          const struct chat_sink *to)
{
    struct prompted_handler handler = {tell_text, tell_call, stream};

    *stream = (struct prompted_stream){.sink = {filter, stream}, .to = to};
    prompted_reader_init(&stream->reader, request, &handler);
}

void prompted_stream_deinit(struct prompted_stream *stream)
{
    end(stream, false);
    prompted_reader_deinit(&stream->reader);
}
