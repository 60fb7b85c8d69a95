/* Histograms, and metrics as text. */

#include <criterion/criterion.h>

#include "shared/base/text.h"
#include "shared/metrics/histogram.h"
#include "shared/metrics/metric.h"

static const struct histogram_shape shape = {3, {500, 1000, 2500000}};

Test(metric, histograms_count_up_to_each_bound)
{
    static const int64_t values[] = {0, 500, 501, 1000, 2500001};
    struct histogram histogram = {.shape = &shape};
    struct buf out;

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        histogram_add(&histogram, values[i]);
    buf_init(&out, 0);
    metric_histogram(&out, "x_seconds", "How long.", &histogram, 1000000);
    cr_assert_str_eq(buf_string(&out), "# HELP x_seconds How long.\n"
                                       "# TYPE x_seconds histogram\n"
                                       "x_seconds_bucket{le=\"0.0005\"} 2\n"
                                       "x_seconds_bucket{le=\"0.001\"} 4\n"
                                       "x_seconds_bucket{le=\"2.5\"} 4\n"
                                       "x_seconds_bucket{le=\"+Inf\"} 5\n"
                                       "x_seconds_sum 2.502002\n"
                                       "x_seconds_count 5\n");
    buf_deinit(&out);
}
