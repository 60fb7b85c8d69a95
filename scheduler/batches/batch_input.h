#pragma once
/* The lines of a batch's input, read as a stream: a piece of it is held, and the line at hand. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/blob/blob.h"

struct error;

#define BATCH_LINE_BYTES_MAX ((size_t)4 << 20)

struct batch_input {
    struct blob_stores *blobs;
    struct blob_ref ref;
    int64_t at;         /* of the first byte in `held` */
    int64_t line;       /* number of the line at hand, from 1 */
    size_t used;        /* of `held`, before what comes next */
    size_t piece_bytes; /* to be read next */
    struct buf held;
};

struct batch_input_line {
    int64_t line; /* blank ones count, and are not given */
    int64_t at_byte;
    struct text text; /* lives until the next one is asked for; of a long one its beginning */
    bool too_long;    /* more than BATCH_LINE_BYTES_MAX, whatever it ends with */
};

/* Behind `line` lines, which end before at_byte. */
void batch_input_open(struct batch_input *input, struct blob_stores *blobs,
                      const struct blob_ref *ref, int64_t at_byte, int64_t line);
void batch_input_close(struct batch_input *input);

enum { BATCH_INPUT_END = 1 };

/* Returns 0, BATCH_INPUT_END, or what blob_read failed with. */
SUSPENDS MUSTCHECK int batch_input_next(struct batch_input *input, struct batch_input_line *out,
                                        struct error *err);

/* Where the line behind the one at hand begins. */
int64_t batch_input_at(const struct batch_input *input);
