#pragma once
/* Frames of a client, to be read by a server. */

#include "shared/base/text.h"

enum { FIN = 0x80, CONTINUES = 0, TEXT_FRAME = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

/* Appends a masked frame; `head` is its first byte, such as FIN | TEXT_FRAME. */
void client_frame(struct buf *to, unsigned head, struct text payload);

/* What comes out of bytes that arrive in pieces of `piece` bytes: "text a|ping b|close 1000 why|".
 * Valid until the next call. */
const char *events_of(struct text bytes, size_t piece);

/* How long the text is which these bytes are, and nothing else, within other limits; -1: they are
 * not. */
int64_t length_of(struct text bytes, size_t piece);

#define FRAME_MAX   64
#define MESSAGE_MAX 100
