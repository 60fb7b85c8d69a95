#pragma once
/* Writing to a client for as long as it takes something. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;
struct http_exchange;

#define SLICE_BYTES   ((size_t)16 << 10)
#define SLICE_WAIT_MS 30000 /* a client that takes no slice for so long is gone */

/* http_stream_write, http_upgraded_write. */
typedef int (*slices_write_fn)(struct http_exchange *exchange, struct text bytes,
                               struct error *err);

/* Writes all of it with `write`, which gets a time of its own for each slice: one event may be
 * megabytes, and a client slow. Returns 0, or what `write` does. */
SUSPENDS MUSTCHECK int slices_write(struct http_exchange *exchange, struct text bytes,
                                    slices_write_fn write, struct error *err);
