/* tracestate: what goes on of it. */

#include <criterion/criterion.h>

#include "shared/trace/trace_state.h"

static struct buf out;

/* Up to two headers; NULL: there is none. */
static const char *goes_on(const char *first, const char *second)
{
    struct trace_state state = {.count = 0};

    buf_deinit(&out);
    buf_init(&out, 0);
    trace_state_add(&state, text_of(first));
    if (second)
        trace_state_add(&state, text_of(second));
    trace_state_write(&state, &out);
    return buf_string(&out);
}

Test(tracestate, goes_on_as_it_came)
{
    cr_assert_str_eq(goes_on("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", NULL),
                     "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
    cr_assert_str_eq(goes_on("a=1", "b=2 ;x,c=3"), "a=1,b=2 ;x,c=3", "headers are one list");
    cr_assert_str_eq(goes_on(" a=1 ,\t,, b=2\t", NULL), "a=1,b=2", "blanks and empty entries");
    cr_assert_str_eq(goes_on("1fi@dd-x_y*z/a=!~", NULL), "1fi@dd-x_y*z/a=!~");
    cr_assert_str_eq(goes_on("", NULL), "");
    cr_assert_str_eq(goes_on(" , ,", NULL), "");
}

Test(tracestate, of_which_one_entry_is_malformed_is_left_out_as_a_whole)
{
    static const char *const bad[] = {"a",    "=1",     "a=",         "A=1",        "a=1=2", "-a=1",
                                      "a =1", "a=\x7f", "a=\xc3\xa9", "a=1;b=\x01", "a b=1"};

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        cr_assert_str_eq(goes_on(bad[i], NULL), "", "%s", bad[i]);
        cr_assert_str_eq(goes_on("good=1", bad[i]), "", "%s", bad[i]);
        cr_assert_str_eq(goes_on(bad[i], "good=1"), "", "%s", bad[i]);
    }
}

Test(tracestate, has_at_most_32_entries_of_at_most_256_characters)
{
    struct buf many;

    buf_init(&many, 0);
    for (int i = 0; i < TRACESTATE_MEMBERS_MAX; i++)
        buf_printf(&many, "%sk%d=%d", i > 0 ? "," : "", i, i);
    cr_assert_str_eq(goes_on(buf_string(&many), NULL), buf_string(&many));
    cr_assert_str_eq(goes_on(buf_string(&many), "more=1"), "");
    buf_reset(&many);
    buf_printf(&many, "a=%0256d", 1);
    cr_assert_str_eq(goes_on(buf_string(&many), NULL), buf_string(&many));
    buf_reset(&many);
    buf_printf(&many, "a=%0257d", 1);
    cr_assert_str_eq(goes_on(buf_string(&many), NULL), "");
    buf_deinit(&many);
}

Test(tracestate, that_is_too_long_loses_long_entries_first_and_then_the_last_ones)
{
    struct buf in;
    struct buf right;

    buf_init(&in, 0);
    buf_init(&right, 0);
    buf_printf(&in, "long=%0200d", 1);
    for (int i = 0; i < 10; i++) {
        buf_printf(&in, ",k%d=%060d", i, i);
        if (i < 8) /* of 63 characters each, and a comma between */
            buf_printf(&right, "%sk%d=%060d", i > 0 ? "," : "", i, i);
    }
    cr_assert_leq(right.len, TRACESTATE_BYTES_MAX);
    cr_assert_str_eq(goes_on(buf_string(&in), NULL), buf_string(&right));
    buf_reset(&in);
    buf_printf(&in, "long=%0200d,b=2", 1);
    cr_assert_str_eq(goes_on(buf_string(&in), NULL), buf_string(&in), "where all fits all stays");
    buf_deinit(&in);
    buf_deinit(&right);
}
