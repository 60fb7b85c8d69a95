/* Tests of frames and asks: what is written is read, and rubbish is no frame. */

#include <criterion/criterion.h>

#include "shared/events/asks.h"
#include "shared/events/frame.h"

static struct uuid id(uint8_t n)
{
    struct uuid uuid = {{0x01}};

    uuid.bytes[15] = n;
    return uuid;
}

Test(frame, what_is_written_is_read_frame_by_frame)
{
    CLEANUP(buf_deinit) struct buf out;
    struct frame frame;
    struct text bytes;

    buf_init(&out, 0);
    frame_write(&out, &(struct frame){.kind = FRAME_STORED, .run = id(1)});
    frame_write(&out, &(struct frame){.kind = FRAME_CALL,
                                      .run = id(2),
                                      .reply = id(3),
                                      .number = 7,
                                      .writes = 70000,
                                      .text = TEXT("call_1"),
                                      .name = TEXT("weather")});
    frame_write(
        &out,
        &(struct frame){
            .kind = FRAME_TEXT, .run = id(2), .reply = id(3), .offset = 70000, .text = TEXT("ça")});
    bytes = buf_text(&out);
    cr_assert(frame_next(&bytes, &frame));
    cr_assert_eq(frame.kind, FRAME_STORED);
    cr_assert(uuid_equal(frame.run, id(1)));
    cr_assert_eq(frame.text.len, 0);
    cr_assert(frame_next(&bytes, &frame));
    cr_assert_eq(frame.kind, FRAME_CALL);
    cr_assert(uuid_equal(frame.reply, id(3)));
    cr_assert_eq(frame.number, 7);
    cr_assert_eq(frame.writes, 70000);
    cr_assert(text_is(frame.text, "call_1") && text_is(frame.name, "weather"));
    cr_assert(frame_next(&bytes, &frame));
    cr_assert_eq(frame.offset, 70000);
    cr_assert(text_is(frame.text, "ça"));
    cr_assert_not(frame_next(&bytes, &frame));
}

Test(frame, a_long_text_becomes_several_cut_between_characters)
{
    CLEANUP(buf_deinit) struct buf text;
    CLEANUP(buf_deinit) struct buf out;
    CLEANUP(buf_deinit) struct buf read;
    struct frame frame;
    struct text bytes;
    size_t count = 0;

    buf_init(&text, 0);
    buf_init(&out, 0);
    buf_init(&read, 0);
    for (int i = 0; i < 20000; i++)
        buf_add_string(&text, "€");
    frame_write(&out, &(struct frame){.kind = FRAME_TEXT,
                                      .run = id(1),
                                      .reply = id(2),
                                      .offset = 5,
                                      .text = buf_text(&text)});
    bytes = buf_text(&out);
    while (frame_next(&bytes, &frame)) {
        cr_assert_eq(frame.offset, 5 + read.len);
        cr_assert(frame.text.len <= FRAME_TEXT_MAX);
        buf_add_text(&read, frame.text);
        count++;
    }
    cr_assert_eq(bytes.len, 0);
    cr_assert_eq(count, 4);
    cr_assert(text_equal(buf_text(&read), buf_text(&text)));
}

Test(frame, what_is_cut_or_changed_is_no_frame_or_another_and_never_read_beyond_its_end)
{
    CLEANUP(buf_deinit) struct buf out;
    struct frame frame;

    buf_init(&out, 0);
    frame_write(&out, &(struct frame){.kind = FRAME_TEXT,
                                      .run = id(1),
                                      .reply = id(2),
                                      .text = TEXT("abc"),
                                      .name = TEXT("d")});
    for (size_t len = 0; len < out.len; len++) {
        char *copy = malloc(len ? len : 1); /* so that a sanitizer sees a read beyond */
        struct text bytes = {copy, len};

        memcpy(copy, out.ptr, len);
        cr_assert_not(frame_next(&bytes, &frame));
        free(copy);
    }
    for (size_t at = 0; at < out.len; at++) {
        for (int value = 0; value < 256; value++) {
            struct text bytes = buf_text(&out);
            char was = out.ptr[at];

            out.ptr[at] = (char)value;
            if (frame_next(&bytes, &frame)) {
                cr_assert(frame.text.ptr + frame.text.len + frame.name.len <= out.ptr + out.len);
                cr_assert(text_is_utf8(frame.text) && text_is_utf8(frame.name));
            }
            out.ptr[at] = was;
        }
    }
}

Test(frame, ids_of_a_reply_are_its_own_and_known_from_each_other)
{
    struct uuid reply = uuid_new();

    cr_assert(uuid_equal(reply_message(reply), reply));
    cr_assert_not(uuid_equal(reply_message_step(reply), reply_calls_step(reply, false)));
    cr_assert_not(uuid_equal(reply_message_step(reply), reply_calls_step(reply, true)));
    cr_assert_not(uuid_equal(reply_calls_step(reply, false), reply_calls_step(reply, true)));
    cr_assert(uuid_equal(uuid_derived(reply_message_step(reply), 1), reply));
}

struct heard {
    struct uuid runs[4];
    size_t count;
    bool whole;
    char channel[LIVE_CHANNEL_MAX];
};

static void hear(struct text channel, struct uuid run, bool whole, void *arg)
{
    struct heard *heard = arg;

    heard->runs[heard->count++] = run;
    heard->whole = whole;
    memcpy(heard->channel, channel.ptr, channel.len);
}

Test(asks, what_is_written_is_read)
{
    CLEANUP(buf_deinit) struct buf line;
    char channel[LIVE_CHANNEL_MAX];

    live_channel_new(channel);
    for (int whole = 0; whole < 2; whole++) {
        struct heard heard = {.count = 0};

        buf_init(&line, 0);
        asks_begin(&line, text_of(channel), whole);
        asks_add(&line, id(1));
        asks_add(&line, id(2));
        cr_assert_eq(asks_read(buf_text(&line), hear, &heard), 2);
        cr_assert_eq(heard.count, 2);
        cr_assert_eq(heard.whole, whole);
        cr_assert_str_eq(heard.channel, channel);
        cr_assert(uuid_equal(heard.runs[1], id(2)));
        buf_deinit(&line);
    }
    buf_init(&line, 0);
}

Test(asks, what_is_no_ask_is_passed_over)
{
    static const char *const lines[] = {
        "",
        "listen",
        "listen live:a",
        "listen live:a ",
        "listen other:a 01000000-0000-0000-0000-000000000001",
        "listen live:asks 01000000-0000-0000-0000-000000000001",
        "shout live:a 01000000-0000-0000-0000-000000000001",
        ("listen live:0123456789012345678901234567890123456789012345678 "
         "01000000-0000-0000-0000-000000000001"),
    };
    struct heard heard = {.count = 0};

    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
        cr_assert_eq(asks_read(text_of(lines[i]), hear, &heard), 0, "%s", lines[i]);
    cr_assert_eq(
        asks_read(TEXT("listen live:a x 01000000-0000-0000-0000-000000000001 y"), hear, &heard), 1);
}
