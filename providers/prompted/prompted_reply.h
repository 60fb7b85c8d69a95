#pragma once
/* Calls of tools in the replies of models without native tools: whole, and while they arrive.
 * prompted_reader.h says what is a call and what is text. Pure. */

#include "providers/chat_event.h"
#include "providers/prompted/prompted_reader.h"
#include "shared/base/compiler.h"

struct error;

/* Takes the calls out of the text of a reply to a request that prompted_tools_encode made from
 * `request`, and puts them behind those that the reply has already. Ids are empty, and arguments
 * are as the model wrote them: reply_form.h, which comes next, gives ids, and reads them. A call
 * that could not be understood has a `problem`. The new text and calls live in the reply's arena.
 * Returns 0, or -E_LIMIT when it is full. */
MUSTCHECK int prompted_tools_decode(const struct chat_request *request, struct chat_reply *reply,
                                    struct error *err);

/* Between a decoder and whoever watches. It changes texts to texts and calls, numbered from 0, and
 * a finish of CHAT_FINISH_STOP behind calls to CHAT_FINISH_TOOL; all else goes through. What it
 * says comes to the same as what prompted_tools_decode makes of the whole reply.
 *
 *     prompted_stream_init(&stream, request, request->sink);
 *     encoded.sink = &stream.sink;
 *     ... the reply arrives ...
 *     prompted_stream_deinit(&stream);
 */
struct prompted_stream {
    struct chat_sink sink; /* for the decoder */
    const struct chat_sink *to;
    struct prompted_reader reader;
    size_t calls;
    bool ended; /* the finish was told */
};

/* Borrows both. */
void prompted_stream_init(struct prompted_stream *stream, const struct chat_request *request,
                          const struct chat_sink *to);

/* What is held still is told, unless the finish was. */
void prompted_stream_deinit(struct prompted_stream *stream);
