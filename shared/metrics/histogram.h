#pragma once
/* Counts of values by size, in fixed classes. */

#include "shared/base/compiler.h"

#define HISTOGRAM_BOUNDS_MAX 20

/* Upper bounds, included, rising; what is above the last is only in the whole count. */
struct histogram_shape {
    size_t count;
    int64_t bounds[HISTOGRAM_BOUNDS_MAX];
};

struct histogram {
    const struct histogram_shape *shape;   /* static */
    uint64_t counts[HISTOGRAM_BOUNDS_MAX]; /* of each class alone */
    uint64_t count;
    int64_t sum;
};

void histogram_add(struct histogram *histogram, int64_t value);
