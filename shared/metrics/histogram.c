/* Histograms */

#include "shared/metrics/histogram.h"

void histogram_add(struct histogram *histogram, int64_t value)
{
    const struct histogram_shape *shape = histogram->shape;
    size_t at = 0;

    ASSERT(shape->count <= HISTOGRAM_BOUNDS_MAX);
    while (at < shape->count && value > shape->bounds[at])
        at++;
    if (at < shape->count)
        histogram->counts[at]++;
    histogram->count++;
    histogram->sum += value;
}
