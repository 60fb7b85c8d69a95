/* Replies while they arrive: what passes at once, what is held, and what it costs. */

#include <criterion/criterion.h>

#include "prompted_support.h"
#include "providers/prompted/prompted_reply.h"
#include "shared/base/error.h"

static void check_held(const char *pieces, size_t count, const char *expected)
{
    struct told told;
    struct chat_sink sink = told_init(&told);
    struct prompted_stream stream;
    struct buf seen;

    buf_init(&seen, 0);
    prompted_stream_init(&stream, &prompted_offered, &sink);
    for (size_t i = 0; i < count; i++) {
        struct chat_event event = {.kind = CHAT_EVENT_TEXT, .text = text_of(pieces)};

        stream.sink.emit(stream.sink.arg, &event);
        buf_printf(&seen, "[%s%s]", buf_string(&told.text), buf_string(&told.calls));
        buf_reset(&told.text);
        buf_reset(&told.calls);
        pieces += event.text.len + 1;
    }
    prompted_stream_deinit(&stream);
    cr_expect_str_eq(buf_string(&seen), expected);
    told_deinit(&told);
    buf_deinit(&seen);
}

Test(prompted_stream, text_passes_at_once)
{
    check_held("Hello\0 wor\0ld.", 3, "[Hello][ wor][ld.]");
    check_held("{\"a\0\": 1}", 2, "[][{\"a\": 1}]");
    check_held("{\0\"name\": \"B\0ob\"}", 3, "[][][{\"name\": \"Bob\"}]");
    check_held("```js\n\0let", 2, "[][```js\nlet]");
}

Test(prompted_stream, what_may_be_a_call_is_held)
{
    check_held("a <\0b> <tool_\0call> tag.", 3, "[a][ <b>][ <tool_call> tag.]");
    check_held("a\n\0<tool_call><na\0me>get_time</name>\0</tool_call>\0b", 5,
               "[a][][][ get_time][\n\nb]");
}

Test(prompted_stream, other_events_pass)
{
    struct told told;
    struct chat_sink sink = told_init(&told);
    struct prompted_stream stream;

    prompted_stream_init(&stream, &prompted_offered, &sink);
    stream.sink.emit(stream.sink.arg,
                     &(struct chat_event){.kind = CHAT_EVENT_FINISH, .finish = CHAT_FINISH_FILTER});
    cr_expect_eq(told.finish, CHAT_FINISH_FILTER);
    stream.sink.emit(stream.sink.arg,
                     &(struct chat_event){.kind = CHAT_EVENT_TEXT, .text = TEXT("late")});
    cr_expect_str_eq(buf_string(&told.text), "late");
    prompted_stream_deinit(&stream);
    told_deinit(&told);
}

/* ---- large texts ---- */

/* A megabyte of beginnings without an end, in small pieces and whole, is no more work than bounded:
 * under a second even in a build that is checked. */
Test(prompted_stream, beginnings_without_end_stay_cheap, .timeout = 60)
{
    static const char *const beginnings[] = {"<tool_call>{",
                                             "<tool_call><name>a</name><arguments>{",
                                             "<tool_call",
                                             "{\"name\": \"get_time\"} ",
                                             "<",
                                             " ",
                                             "<tool_call>{\"",
                                             "</tool_call>"};

    for (size_t i = 0; i < ARRAY_LENGTH(beginnings); i++) {
        struct arena arena;
        struct chat_reply reply = {.arena = &arena};
        struct told told;
        struct chat_sink sink = told_init(&told);
        struct prompted_stream stream;
        struct error err;
        struct buf text;

        buf_init(&text, 0);
        arena_init(&arena, 0);
        while (text.len < CHAT_ANSWER_BYTES_MAX)
            buf_add_string(&text, beginnings[i]);
        reply.text = buf_text(&text);
        cr_assert_eq(prompted_tools_decode(&prompted_offered, &reply, &err), 0);
        prompted_stream_init(&stream, &prompted_offered, &sink);
        for (size_t at = 0; at < text.len; at += 5)
            stream.sink.emit(stream.sink.arg,
                             &(struct chat_event){
                                 .kind = CHAT_EVENT_TEXT,
                                 .text = {text.ptr + at, text.len - at < 5 ? text.len - at : 5}});
        prompted_stream_deinit(&stream);
        cr_expect(told.numbers <= PROMPTED_REPLY_CALLS_MAX);
        buf_deinit(&text);
        told_deinit(&told);
        arena_deinit(&arena);
    }
}
