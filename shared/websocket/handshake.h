#pragma once
/* The handshake of WebSockets (RFC 6455, section 4): what a server looks at, and what it answers.
 * Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define WEBSOCKET_VERSION     "13"
#define WEBSOCKET_ACCEPT_SIZE 29 /* 28 characters and the zero */

/* The value of Sec-WebSocket-Accept for that of Sec-WebSocket-Key. False, output untouched: the key
 * is not 16 bytes in base64. */
MUSTCHECK bool websocket_accept(struct text key, char out[WEBSOCKET_ACCEPT_SIZE]);

/* Walks the names of subprotocols that a header offers: the next one of *rest, which begins as the
 * header's value. False: there are no more. */
bool websocket_protocol_next(struct text *rest, struct text *out);
