#pragma once
/* What a program prints, of which the beginning and the end are kept. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define CAPTURE_HALF_MAX ((size_t)512 << 10)

struct capture {
    struct buf head;
    char *tail; /* a ring of `half` bytes */
    size_t half;
    uint64_t bytes; /* that were printed */
};

/* Keeps `kept` bytes, at most twice CAPTURE_HALF_MAX. */
void capture_init(struct capture *capture, size_t kept);
void capture_deinit(struct capture *capture);
void capture_add(struct capture *capture, struct text bytes);

/* Bytes that were printed and are not kept. */
uint64_t capture_left_out(const struct capture *capture);

/* Appends what is kept as UTF-8, with a note in the middle of how much is not shown. */
void capture_write(const struct capture *capture, struct buf *out);
