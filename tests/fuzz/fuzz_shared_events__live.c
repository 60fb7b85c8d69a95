/* What comes over Redis to those who speak and those who listen: frames and asks. The first byte
 * says which. Frames that were read are written and read as the same; what a draft takes of them
 * stays within its bounds. */

#include "shared/events/asks.h"
#include "shared/events/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_frames(struct text bytes)
{
    CLEANUP(buf_deinit) struct buf written;
    struct text before = bytes;
    struct frame frame;

    while (frame_next(&bytes, &frame)) {
        struct text again;
        struct frame same;

        ASSERT(bytes.len < before.len && bytes.ptr > before.ptr);
        ASSERT(frame.text.len <= FRAME_TEXT_MAX && frame.name.len <= UINT8_MAX);
        buf_init(&written, 0);
        frame_write(&written, &frame);
        again = buf_text(&written);
        ASSERT(frame_next(&again, &same) && again.len == 0);
        ASSERT(same.kind == frame.kind && same.number == frame.number);
        ASSERT(same.offset == frame.offset && same.writes == frame.writes &&
               uuid_equal(same.reply, frame.reply));
        ASSERT(text_equal(same.text, frame.text) && text_equal(same.name, frame.name));
        buf_deinit(&written);
        before = bytes;
    }
    buf_init(&written, 0);
}

struct asks {
    struct buf line;
    size_t count;
};

static void take(struct text channel, struct uuid run, bool whole, void *arg)
{
    struct asks *asks = arg;

    ASSERT(channel.len < LIVE_CHANNEL_MAX);
    if (asks->count++ == 0)
        asks_begin(&asks->line, channel, whole);
    asks_add(&asks->line, run);
}

static void read_asks(struct text line)
{
    CLEANUP(buf_deinit) struct buf again;
    struct asks one = {.count = 0};
    struct asks two = {.count = 0};
    size_t count;

    buf_init(&one.line, 0);
    buf_init(&two.line, 0);
    count = asks_read(line, take, &one);
    ASSERT(count == one.count && count <= ASKS_IDS_MAX);
    ASSERT(asks_read(buf_text(&one.line), take, &two) == count);
    ASSERT(text_equal(buf_text(&one.line), buf_text(&two.line)));
    buf_init(&again, 0);
    buf_deinit(&one.line);
    buf_deinit(&two.line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text rest = {(const char *)data + 1, size - 1};

    if (size < 1)
        return 0;
    if (data[0] & 1)
        read_frames(rest);
    else
        read_asks(rest);
    return 0;
}
