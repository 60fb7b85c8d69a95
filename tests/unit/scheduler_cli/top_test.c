/* Pages of metrics, as `penstock top` reads them. */

#include <criterion/criterion.h>

#include "scheduler/cli/top/top_page.h"

static const char page[] = "# HELP penstock_runs Runs.\n"
                           "# TYPE penstock_runs gauge\n"
                           "penstock_runs{status=\"queued\"} 3\n"
                           "penstock_runs{status=\"in_progress\"} 4\n"
                           "penstock_runs_ready 2\n"
                           "calls{provider=\"a\",model=\"x}\\\",b=\\\"1\"} 5\n"
                           "calls{provider=\"b\",model=\"y\"} 1.5\n"
                           "broken{a=\"1\" 7\n"
                           "broken x\n"
                           "last 9";

Test(top_page, samples_are_summed_by_name_and_label)
{
    cr_assert_eq(top_page_sum(text_of(page), "penstock_runs", NULL), 7);
    cr_assert_eq(top_page_sum(text_of(page), "penstock_runs", "status=\"queued\""), 3);
    cr_assert_eq(top_page_sum(text_of(page), "penstock_runs_ready", NULL), 2);
    cr_assert_eq(top_page_sum(text_of(page), "calls", NULL), 6.5);
    cr_assert_eq(top_page_sum(text_of(page), "last", NULL), 9);
    cr_assert_eq(top_page_sum(text_of(page), "broken", NULL), 0);
    cr_assert_eq(top_page_sum(text_of(page), "nothing", NULL), 0);
    cr_assert_eq(top_page_sum(TEXT_NONE, "calls", NULL), 0);
}

Test(top_page, labels_are_found_whatever_their_values_hold)
{
    struct text rest = text_of(page);
    struct top_sample sample;

    cr_assert(top_page_next(&rest, "calls", &sample));
    cr_assert(text_is(top_page_label(sample.labels, "provider"), "a"));
    cr_assert(text_is(top_page_label(sample.labels, "model"), "x}\\\",b=\\\"1"));
    cr_assert_null(top_page_label(sample.labels, "b").ptr);
    cr_assert(top_page_next(&rest, "calls", &sample));
    cr_assert(text_is(top_page_label(sample.labels, "model"), "y"));
    cr_assert_not(top_page_next(&rest, "calls", &sample));
}

Test(top_page, a_rate_is_what_a_counter_grew_by_and_one_that_fell_began_anew)
{
    cr_assert_eq(top_rate(10, 30, 2), 10);
    cr_assert_eq(top_rate(10, 10, 2), 0);
    cr_assert_eq(top_rate(100, 6, 2), 3);
    cr_assert_eq(top_rate(1, 2, 0), 0);
}
