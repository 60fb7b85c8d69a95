/* Frames to messages.
 *
 * wslay's frame reader asks for bytes by a callback, and gives a frame's payload in the pieces that
 * it has; its headers come with the first piece. It says itself what is wrong with the length of a
 * frame. Between two frames it is freed, so idle connections cost nothing: that all it was fed is
 * used up is known by counting.
 */

#include "shared/websocket/websocket.h"

#include <stdlib.h>

#include <wslay/wslay.h>

#include "shared/base/memory.h"
#include "shared/base/utf8.h"

#define RSV_NONE 0
#define KEPT     ((size_t)4 << 10) /* of a message's memory, for the next one */

static ssize_t give_input(uint8_t *to, size_t size, int flags, void *arg)
{
    struct websocket_reader *reader = arg;
    size_t len = reader->input.len < size ? reader->input.len : size;

    (void)flags;
    if (len == 0)
        return -1;
    memcpy(to, reader->input.ptr, len);
    reader->input.ptr += len;
    reader->input.len -= len;
    reader->fed += len;
    return (ssize_t)len;
}

void websocket_reader_init(struct websocket_reader *reader, size_t frame_max, size_t message_max)
{
    *reader = (struct websocket_reader){.frame_max = frame_max, .message_max = message_max};
    buf_init(&reader->message, message_max + 1);
}

static void drop_frames(struct websocket_reader *reader)
{
    if (reader->frames)
        wslay_frame_context_free(reader->frames);
    reader->frames = NULL;
}

void websocket_reader_deinit(struct websocket_reader *reader)
{
    drop_frames(reader);
    buf_deinit(&reader->message);
}

void websocket_feed(struct websocket_reader *reader, struct text bytes)
{
    ASSERT(reader->input.len == 0);
    reader->input = reader->is_over ? TEXT_NONE : bytes;
}

static enum websocket_event fail(struct websocket_reader *reader, int code, const char *why,
                                 struct text *out)
{
    reader->is_over = true;
    reader->code = code;
    reader->input = TEXT_NONE;
    *out = text_of(why);
    return WEBSOCKET_FAILED;
}

static bool is_control(unsigned opcode)
{
    return opcode >= WEBSOCKET_OP_CLOSE;
}

static uint64_t header_bytes(const struct wslay_frame_iocb *frame)
{
    uint64_t bytes = frame->mask ? 6 : 2;

    if (frame->payload_length > UINT16_MAX)
        return bytes + 8;
    return frame->payload_length >= 126 ? bytes + 2 : bytes;
}

/* What is wrong with a frame that begins; WEBSOCKET_MORE: nothing. */
static enum websocket_event judge_head(struct websocket_reader *reader,
                                       const struct wslay_frame_iocb *frame, struct text *out)
{
    if (frame->rsv != RSV_NONE)
        return fail(reader, WEBSOCKET_PROTOCOL, "a reserved bit is set", out);
    if (!frame->mask)
        return fail(reader, WEBSOCKET_PROTOCOL, "a client's frames are masked", out);
    switch (frame->opcode) {
    case WSLAY_CONTINUATION_FRAME:
        if (!reader->in_message)
            return fail(reader, WEBSOCKET_PROTOCOL, "there is no message to be continued", out);
        break;
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
        if (reader->in_message)
            return fail(reader, WEBSOCKET_PROTOCOL, "the message before is not at its end", out);
        if (frame->opcode == WSLAY_BINARY_FRAME)
            return fail(reader, WEBSOCKET_UNSUPPORTED, "messages are text", out);
        break;
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG:
        return WEBSOCKET_MORE; /* wslay has looked at their length, and that they are whole */
    default:
        return fail(reader, WEBSOCKET_PROTOCOL, "there is no such opcode", out);
    }
    if (frame->payload_length > reader->frame_max)
        return fail(reader, WEBSOCKET_TOO_BIG, "the frame is too big", out);
    if (frame->payload_length > reader->message_max - reader->message.len)
        return fail(reader, WEBSOCKET_TOO_BIG, "the message is too big", out);
    if (++reader->fragments > WEBSOCKET_FRAGMENTS_MAX)
        return fail(reader, WEBSOCKET_POLICY, "the message has too many fragments", out);
    return WEBSOCKET_MORE;
}

/* Whether it may become a character: the least or the greatest bytes behind it make it one. */
static bool may_become_character(const char *half, size_t len)
{
    static const unsigned char ends[] = {0x80, 0xBF};
    char whole[4];

    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
        memset(whole, ends[i], sizeof(whole));
        memcpy(whole, half, len);
        for (size_t bytes = len + 1; bytes <= sizeof(whole); bytes++)
            if (utf8_sequence(whole, bytes) == bytes)
                return true;
    }
    return false;
}

/* A character may be cut between two pieces, not at the end. */
static bool is_utf8_so_far(struct websocket_reader *reader, bool at_end)
{
    const char *from = reader->message.ptr + reader->judged;
    size_t len = reader->message.len - reader->judged;
    size_t whole;

    if (len == 0)
        return true;
    whole = utf8_without_half(from, len);
    if (!utf8_is_valid(from, whole))
        return false;
    reader->judged += whole;
    if (whole == len)
        return true;
    return !at_end && may_become_character(from + whole, len - whole);
}

static enum websocket_event take_piece(struct websocket_reader *reader,
                                       const struct wslay_frame_iocb *frame, struct text *out)
{
    if (is_control(frame->opcode)) {
        ASSERT(reader->control_len + frame->data_length <= WEBSOCKET_CONTROL_MAX);
        if (frame->data_length > 0)
            memcpy(reader->control + reader->control_len, frame->data, frame->data_length);
        reader->control_len += frame->data_length;
        return WEBSOCKET_MORE;
    }
    buf_add(&reader->message, frame->data, frame->data_length);
    reader->in_message = true;
    if (!is_utf8_so_far(reader, frame->fin && reader->frame_left == 0))
        return fail(reader, WEBSOCKET_INVALID, "the text is not UTF-8", out);
    return WEBSOCKET_MORE;
}

/* Those that RFC 6455, section 7.4, and the registry of IANA have for the wire. */
static bool is_close_code(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static enum websocket_event end_close(struct websocket_reader *reader, struct text *out)
{
    struct text payload = {reader->control, reader->control_len};
    int code = WEBSOCKET_NO_CODE;

    if (payload.len == 1)
        return fail(reader, WEBSOCKET_PROTOCOL, "half a code of a close", out);
    if (payload.len >= 2) {
        code = (unsigned char)payload.ptr[0] << 8 | (unsigned char)payload.ptr[1];
        payload = (struct text){payload.ptr + 2, payload.len - 2};
        if (!is_close_code(code))
            return fail(reader, WEBSOCKET_PROTOCOL, "there is no such code of a close", out);
        if (!text_is_utf8(payload))
            return fail(reader, WEBSOCKET_INVALID, "the reason is not UTF-8", out);
    }
    reader->is_over = true;
    reader->code = code;
    reader->input = TEXT_NONE;
    *out = payload;
    return WEBSOCKET_CLOSE;
}

static enum websocket_event end_frame(struct websocket_reader *reader,
                                      const struct wslay_frame_iocb *frame, struct text *out)
{
    if (frame->opcode == WSLAY_CONNECTION_CLOSE)
        return end_close(reader, out);
    if (is_control(frame->opcode)) {
        *out = (struct text){reader->control, reader->control_len};
        return frame->opcode == WSLAY_PING ? WEBSOCKET_PING : WEBSOCKET_PONG;
    }
    if (!frame->fin)
        return WEBSOCKET_MORE;
    reader->in_message = false;
    reader->given = true;
    *out = reader->message.len > 0 ? buf_text(&reader->message) : TEXT("");
    return WEBSOCKET_TEXT;
}

static enum websocket_event take(struct websocket_reader *reader,
                                 const struct wslay_frame_iocb *frame, struct text *out)
{
    enum websocket_event event = WEBSOCKET_MORE;

    if (!reader->in_frame) {
        reader->in_frame = true;
        reader->frame_left = frame->payload_length;
        if (is_control(frame->opcode))
            reader->control_len = 0;
        event = judge_head(reader, frame, out);
        reader->framed += header_bytes(frame);
    }
    if (event != WEBSOCKET_MORE)
        return event;
    reader->frame_left -= frame->data_length;
    reader->framed += frame->data_length;
    event = take_piece(reader, frame, out);
    if (event != WEBSOCKET_MORE || reader->frame_left > 0)
        return event;
    reader->in_frame = false;
    return end_frame(reader, frame, out);
}

static void drop_message(struct websocket_reader *reader)
{
    if (!reader->given)
        return;
    reader->given = false;
    reader->judged = 0;
    reader->fragments = 0;
    if (reader->message.size > KEPT) {
        buf_deinit(&reader->message);
        buf_init(&reader->message, reader->message_max + 1);
    }
    buf_reset(&reader->message);
}

static void rest(struct websocket_reader *reader)
{
    if (reader->in_frame || reader->framed != reader->fed)
        return;
    drop_frames(reader);
    if (!reader->in_message) {
        buf_deinit(&reader->message);
        buf_init(&reader->message, reader->message_max + 1);
    }
}

enum websocket_event websocket_next(struct websocket_reader *reader, struct text *out)
{
    static const struct wslay_frame_callbacks callbacks = {.recv_callback = give_input};
    struct wslay_frame_iocb frame;
    enum websocket_event event = WEBSOCKET_MORE;

    *out = TEXT_NONE;
    drop_message(reader);
    while (event == WEBSOCKET_MORE && !reader->is_over) {
        ssize_t r;

        if (!reader->frames) {
            if (reader->input.len == 0)
                return WEBSOCKET_MORE;
            r = wslay_frame_context_init(&reader->frames, &callbacks, reader);
            ASSERT(r == 0); /* as xmalloc */
            reader->fed = 0;
            reader->framed = 0;
        }
        r = wslay_frame_recv(reader->frames, &frame);
        if (r == WSLAY_ERR_WANT_READ) {
            rest(reader);
            return WEBSOCKET_MORE;
        }
        if (r < 0)
            return fail(reader, WEBSOCKET_PROTOCOL, "the length of a frame is wrong", out);
        event = take(reader, &frame, out);
    }
    return event;
}

#define HEAD_MAX 10

/* The length is said in as few bytes as it takes. Returns the bytes of the head. */
static size_t write_head(unsigned char head[HEAD_MAX], unsigned char first, size_t len)
{
    head[0] = first;
    if (len < 126) {
        head[1] = (unsigned char)len;
        return 2;
    }
    if (len <= UINT16_MAX) {
        head[1] = 126;
        head[2] = (unsigned char)(len >> 8);
        head[3] = (unsigned char)len;
        return 4;
    }
    head[1] = 127;
    for (size_t i = 0; i < 8; i++)
        head[2 + i] = (unsigned char)((uint64_t)len >> (8 * (7 - i)));
    return HEAD_MAX;
}

void websocket_write(struct buf *out, enum websocket_opcode opcode, struct text payload)
{
    unsigned char head[HEAD_MAX];
    size_t len = write_head(head, (unsigned char)(0x80U | opcode), payload.len);

    ASSERT(opcode < WEBSOCKET_OP_CLOSE || payload.len <= WEBSOCKET_CONTROL_MAX);
    buf_add(out, head, len);
    buf_add(out, payload.ptr, payload.len);
}

size_t websocket_begin(struct buf *out, enum websocket_opcode opcode)
{
    const char head[HEAD_MAX] = {(char)(unsigned char)(0x80U | opcode)};
    size_t begun = out->len;

    buf_add(out, head, sizeof(head));
    return begun;
}

/* There is room for the longest head; the payload moves up to a shorter one. */
void websocket_end(struct buf *out, size_t begun)
{
    unsigned char head[HEAD_MAX];
    size_t payload;
    size_t len;

    if (out->failed)
        return;
    payload = out->len - begun - HEAD_MAX;
    len = write_head(head, (unsigned char)out->ptr[begun], payload);
    memcpy(out->ptr + begun, head, len);
    memmove(out->ptr + begun + len, out->ptr + begun + HEAD_MAX, payload);
    out->len = begun + len + payload;
    out->ptr[out->len] = '\0';
}

void websocket_write_close(struct buf *out, int code, struct text reason)
{
    char payload[WEBSOCKET_CONTROL_MAX];
    struct text cut = text_prefix(reason, WEBSOCKET_REASON_MAX);

    if (code == WEBSOCKET_NO_CODE) {
        websocket_write(out, WEBSOCKET_OP_CLOSE, TEXT_NONE);
        return;
    }
    payload[0] = (char)(unsigned char)(code >> 8);
    payload[1] = (char)(unsigned char)code;
    if (cut.len > 0)
        memcpy(payload + 2, cut.ptr, cut.len);
    websocket_write(out, WEBSOCKET_OP_CLOSE, (struct text){payload, cut.len + 2});
}
