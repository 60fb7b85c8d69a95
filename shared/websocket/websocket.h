#pragma once
/* The frames of WebSockets (RFC 6455, section 5), on the side of a server: from bytes, however they
 * are cut, to messages, and back. Pure: nothing here reads or writes a descriptor, or waits.
 *
 *     bytes ──► websocket_feed ──► websocket_next ──► text, ping, pong, close, or what is wrong
 *
 * wslay takes frames apart and takes their masks off. The rules above that are here: how fragments
 * make a message, with control frames between them; UTF-8, judged piece by piece, so that what is
 * wrong is seen at once; which bits, codes and sizes may be. Whatever breaks a rule ends the
 * connection with the code that RFC 6455 has for it, which the reader tells.
 *
 * Memory: what has come of a message, and wslay's buffer of 4 KiB while a frame has come in part.
 * An idle reader holds nothing.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct wslay_frame_context;

enum websocket_code {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL = 1002,
    WEBSOCKET_UNSUPPORTED = 1003, /* a kind of data, such as binary */
    WEBSOCKET_NO_CODE = 1005,     /* of a close frame without one; never sent */
    WEBSOCKET_INVALID = 1007,     /* data that is not what it should be, such as no UTF-8 */
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_BIG = 1009,
    WEBSOCKET_INTERNAL = 1011,
    WEBSOCKET_TRY_LATER = 1013,
};

enum websocket_opcode {
    WEBSOCKET_OP_TEXT = 1,
    WEBSOCKET_OP_BINARY = 2,
    WEBSOCKET_OP_CLOSE = 8,
    WEBSOCKET_OP_PING = 9,
    WEBSOCKET_OP_PONG = 10,
};

enum websocket_event {
    WEBSOCKET_MORE,   /* nothing more came to its end: feed */
    WEBSOCKET_TEXT,   /* a message */
    WEBSOCKET_PING,   /* is to be answered by a pong with the same bytes */
    WEBSOCKET_PONG,   /* asked for, or not */
    WEBSOCKET_CLOSE,  /* reader->code, out: the reason; nothing that follows counts */
    WEBSOCKET_FAILED, /* reader->code says how, out: why; nothing that follows counts */
};

#define WEBSOCKET_CONTROL_MAX   125  /* bytes of a control frame */
#define WEBSOCKET_REASON_MAX    123  /* of a reason in one */
#define WEBSOCKET_FRAGMENTS_MAX 1024 /* of one message */

struct websocket_reader {
    size_t frame_max;
    size_t message_max;
    struct wslay_frame_context *frames; /* NULL: between two frames */
    struct text input;                  /* that was fed and not taken */
    uint64_t fed;                       /* bytes since `frames` was made, and */
    uint64_t framed;                    /* what of them was in whole frames */
    size_t fragments;
    uint64_t frame_left; /* of the frame's payload */
    bool in_frame;
    bool in_message; /* fragments of one have come */
    struct buf message;
    size_t judged; /* bytes of it that are known to be UTF-8 */
    bool given;    /* the message was given out: it is dropped before the next one */
    char control[WEBSOCKET_CONTROL_MAX];
    size_t control_len;
    bool is_over;
    int code;
};

void websocket_reader_init(struct websocket_reader *reader, size_t frame_max, size_t message_max);
void websocket_reader_deinit(struct websocket_reader *reader);

/* The bytes must live until websocket_next says WEBSOCKET_MORE. */
void websocket_feed(struct websocket_reader *reader, struct text bytes);

/* What comes next of what was fed. *out is valid until the next call. */
enum websocket_event websocket_next(struct websocket_reader *reader, struct text *out);

/* Append a whole frame of the server's. A control frame has at most WEBSOCKET_CONTROL_MAX bytes. */
void websocket_write(struct buf *out, enum websocket_opcode opcode, struct text payload);

/* The same in pieces: the payload is appended between the two, the second of which is given what
 * the first one returned. */
MUSTCHECK size_t websocket_begin(struct buf *out, enum websocket_opcode opcode);
void websocket_end(struct buf *out, size_t begun);

/* A close frame; of a reason that is too long its beginning. WEBSOCKET_NO_CODE: without either. */
void websocket_write_close(struct buf *out, int code, struct text reason);
