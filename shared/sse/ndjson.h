#pragma once
/* Newline-delimited JSON: a document a line. Pure framing: what stands in a line is not looked at.
 *
 *     while ((r = ndjson_next(&reader, &bytes, &document, err)) == 0)
 *         …
 *     if (r < 0)
 *         …                    (r is NDJSON_NONE otherwise: feed it more)
 */

#include "shared/sse/lines.h"

struct ndjson_reader {
    struct lines lines;
};

/* A document has at most max_bytes. */
void ndjson_init(struct ndjson_reader *reader, size_t max_bytes);
void ndjson_deinit(struct ndjson_reader *reader);

enum { NDJSON_NONE = LINES_NONE };

/* Takes the next document off the front of *bytes; blank lines are passed over. Returns 0 with
 * *out, valid until the next call; NDJSON_NONE when *bytes, now empty, completes none; -E_LIMIT. */
MUSTCHECK int ndjson_next(struct ndjson_reader *reader, struct text *bytes, struct text *out,
                          struct error *err);

/* At the end of the stream: a last document without a line break behind it. False: there is none.
 */
MUSTCHECK bool ndjson_end(struct ndjson_reader *reader, struct text *out);
