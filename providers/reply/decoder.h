#pragma once
/* Reads one reply while it arrives, whole or streamed: which of both it is shows in its first
 * bytes, since servers stream unasked, and answer whole where a stream was asked for.
 *
 *     body, piece by piece --feed--> events of the format --> reply_builder --> whoever watches
 *     then status and headers --finish--> chat_reply, or provider_failure_info
 *
 * The same bytes give the same reply however they were cut into pieces. A format (provider.h) sees
 * neither pieces nor framing: it reads one event at a time, or the whole reply.
 */

#include "providers/provider.h"
#include "providers/reply/reply_builder.h"
#include "shared/base/compiler.h"
#include "shared/http_client/http_client.h"
#include "shared/sse/ndjson.h"
#include "shared/sse/sse.h"

enum decode_mode {
    DECODE_UNKNOWN, /* too little has come to tell */
    DECODE_WHOLE,
    DECODE_EVENTS,
};

struct provider_decoder {
    const struct provider_target *target;
    struct provider_failure_info *failure;    /* the caller's */
    const struct provider_response *response; /* NULL while it arrives */
    enum decode_mode mode;
    enum decode_result result; /* of the last piece */
    bool refused;              /* it is larger than may be held */
    struct text behind;        /* what the request went on behind (`previous`); empty: nothing */
    struct buf body;           /* what came, while it is no stream of events */
    union {
        struct sse_reader sse;
        struct ndjson_reader ndjson;
    };
    struct reply_builder reply;

    /* The format's own, empty and zero at first. */
    struct buf scratch;
    size_t mark;
    size_t text_mark;
    int phase;
};

/* Begins a reply that may hold at most bytes_max, as it arrives and again as it is read. The sink
 * may be NULL. `failure` is filled when finish says so. provider_decoder_deinit in any case. */
void provider_decoder_init(struct provider_decoder *decoder, const struct provider_target *target,
                           size_t bytes_max, const struct chat_sink *sink,
                           struct provider_failure_info *failure);
void provider_decoder_deinit(struct provider_decoder *decoder);

/* A piece of the body. HTTP_TAKE_ENOUGH: nothing more is needed. HTTP_TAKE_REFUSE: there is more of
 * it than may be held. Either way finish says what it is. Does not wait. */
MUSTCHECK enum http_take provider_decoder_feed(struct provider_decoder *decoder, struct text bytes);

/* Bytes that it holds. */
size_t provider_decoder_held(const struct provider_decoder *decoder);

/* Whether a reply is there although its end was not: the provider said that it ends, and then was
 * silent or gone. */
bool provider_decoder_has_reply(const struct provider_decoder *decoder);

/* After the last piece, with status and headers. Returns 0 with *out, whose arena is set, or
 * PROVIDER_FAILED with the failure that init was given. */
MUSTCHECK int provider_decoder_finish(struct provider_decoder *decoder,
                                      const struct provider_response *response,
                                      struct chat_reply *out);

/* For formats: "the reply of PROVIDER `what`". Returns DECODE_FAILED. */
enum decode_result decode_fail(struct provider_decoder *decoder, enum provider_failure failure,
                               const char *what);

/* For formats: whether a document is or holds an error in the shapes of failure.h. If so, the
 * failure is read. */
MUSTCHECK bool decode_holds_error(struct provider_decoder *decoder, struct text json);

/* For formats: a document that is an error, whatever it holds. Returns DECODE_FAILED. */
enum decode_result decode_error(struct provider_decoder *decoder, struct text json);
