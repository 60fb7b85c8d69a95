#pragma once
/* multipart/form-data (RFC 7578, and how the WHATWG has clients write it), read as it comes: pieces
 * of a body in, parts and their bytes out. Pure, and the same whatever the pieces are.
 *
 * Nothing is held but the headers of the present part, and as much of a boundary as has come. It is
 * strict: what no client writes (a preamble, folded headers, white space behind a boundary,
 * filename*) is refused, with a sentence that says what and where.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

#define MULTIPART_BOUNDARY_MAX     70 /* RFC 2046, section 5.1.1 */
#define MULTIPART_HEADER_BYTES_MAX 8192
#define MULTIPART_HEADERS_MAX      16
#define MULTIPART_PARTS_MAX        32

enum multipart_event {
    MULTIPART_MORE,     /* the piece is used up: give the next one */
    MULTIPART_PART,     /* a part begins: multipart_part */
    MULTIPART_DATA,     /* some of its bytes */
    MULTIPART_PART_END, /* it has ended */
    MULTIPART_END,      /* so has the body: nothing may follow */
};

struct multipart_part {
    struct text name;
    struct text filename; /* TEXT_NONE: none is given, so the part is a plain field */
    struct text type;     /* Content-Type; TEXT_NONE: none */
};

struct multipart {
    int state;
    char delimiter[MULTIPART_BOUNDARY_MAX + 5]; /* CR LF -- boundary */
    size_t delimiter_bytes;
    size_t matched; /* bytes of the delimiter that have come, and were not handed out */
    size_t parts;
    size_t headers;      /* of the part */
    size_t header_bytes; /* the same */
    bool after_cr;
    struct buf line;
    struct buf storage; /* of the part's texts */
    bool has_disposition;
    struct multipart_part part;
};

/* `content_type` is the request's. Returns 0, or -E_INVALID where it is none of a form, or names no
 * boundary that can be one. Deinit it in any case. */
MUSTCHECK int multipart_init(struct multipart *form, struct text content_type, struct error *err);
void multipart_deinit(struct multipart *form);

/* What comes next in *in, whose front is consumed. Returns an event (MULTIPART_DATA with *out_data,
 * which points into the piece or the form, until the next call); -E_PROTOCOL for what is malformed,
 * -E_LIMIT for too many parts or headers: then it is over. */
MUSTCHECK int multipart_next(struct multipart *form, struct text *in, struct text *out_data,
                             struct error *err);

/* The body has ended. Returns 0, or -E_PROTOCOL when the form has not. */
MUSTCHECK int multipart_end(const struct multipart *form, struct error *err);

/* The part that began last; its texts are valid until it ends. */
const struct multipart_part *multipart_part(const struct multipart *form);
