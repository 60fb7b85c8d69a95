#pragma once
/* The system calls that a sandboxed program may not make, as a filter of seccomp(2). */

#include "shared/base/compiler.h"

struct buf;
struct error;

/* Appends the filter as bubblewrap reads it. Returns 0 or -E_SYSTEM. */
MUSTCHECK int filter_build(struct buf *out, struct error *err);
