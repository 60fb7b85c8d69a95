#pragma once
/* Ranges of bytes, as RFC 9110, section 14, has a request ask for them. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct file_range {
    int64_t from;
    int64_t count;
};

/* What a Range header asks of `bytes` bytes. Returns 0 with *out; RANGE_WHOLE: all of them, since
 * it asks for several ranges, or is malformed, or there is none; RANGE_BEYOND: none of them. */
enum { RANGE_WHOLE = 1, RANGE_BEYOND };
MUSTCHECK int file_range_read(struct text header, int64_t bytes, struct file_range *out);
