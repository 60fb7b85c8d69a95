/* Histograms, and metrics as text. */

#include <criterion/criterion.h>

#include "shared/base/text.h"
#include "shared/metrics/histogram.h"
#include "shared/metrics/metric.h"
#include "shared/metrics/metric_table.h"
#include "shared/metrics/series.h"

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

Test(metric, histograms_may_have_labels)
{
    struct histogram histogram = {.shape = &shape};
    struct buf out;

    histogram_add(&histogram, 700);
    buf_init(&out, 0);
    metric_sample_histogram(&out, "x_seconds", &histogram, 1000000, "a", "1", "b", "2", NULL);
    cr_assert_str_eq(buf_string(&out), "x_seconds_bucket{a=\"1\",b=\"2\",le=\"0.0005\"} 0\n"
                                       "x_seconds_bucket{a=\"1\",b=\"2\",le=\"0.001\"} 1\n"
                                       "x_seconds_bucket{a=\"1\",b=\"2\",le=\"2.5\"} 1\n"
                                       "x_seconds_bucket{a=\"1\",b=\"2\",le=\"+Inf\"} 1\n"
                                       "x_seconds_sum{a=\"1\",b=\"2\"} 0.0007\n"
                                       "x_seconds_count{a=\"1\",b=\"2\"} 1\n");
    buf_deinit(&out);
}

Test(metric, values_of_labels_are_escaped_as_the_format_says)
{
    struct buf out;

    buf_init(&out, 0);
    metric_sample(&out, "x", 1, "name", "a\\b\"c\nd é{}", NULL);
    cr_assert_str_eq(buf_string(&out), "x{name=\"a\\\\b\\\"c\\nd é{}\"} 1\n");
    buf_deinit(&out);
}

Test(series, keep_names_and_count_what_is_too_much_together)
{
    struct series_key keys[4];
    struct series series;

    series_init(&series, keys, 4);
    cr_assert_eq(series_place(&series, TEXT("a"), TEXT("1"), true), 0);
    cr_assert_eq(series_place(&series, TEXT("a"), TEXT("2"), true), 1);
    cr_assert_eq(series_place(&series, TEXT("b"), TEXT("1"), false), 3, "not added");
    cr_assert_eq(series_place(&series, TEXT("b"), TEXT("1"), true), 2);
    cr_assert_eq(series_place(&series, TEXT("c"), TEXT("1"), true), 3, "no place is left");
    cr_assert_eq(series_place(&series, TEXT("a"), TEXT("2"), false), 1);
    cr_assert_eq(series.count, 3);
    cr_assert_str_eq(keys[3].first, SERIES_OTHER);
    cr_assert_str_eq(keys[1].second, "2");
}

Test(series, cut_long_names_between_characters)
{
    struct series_key keys[2];
    struct series series;
    char name[300];

    series_init(&series, keys, 2);
    for (size_t i = 0; i < sizeof(name); i += 2)
        memcpy(name + i, "é", 2);
    cr_assert_eq(series_place(&series, (struct text){name, sizeof(name)}, TEXT(""), true), 0);
    cr_assert_eq(strlen(keys[0].first), SERIES_VALUE_SIZE - 2);
}
