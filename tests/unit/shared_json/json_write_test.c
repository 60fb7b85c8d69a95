/* Writing JSON member by member. */

#include <criterion/criterion.h>

#include <math.h>
#include <signal.h>

#include "shared/json/json_write.h"

Test(json_write, puts_commas_and_closes_what_was_opened)
{
    CLEANUP(buf_deinit) struct buf buf;
    struct json_write w;

    buf_init(&buf, 0);
    json_write_init(&w, &buf);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "a", "x\"y");
    json_write_open_array(&w, "b");
    json_write_int(&w, NULL, -1);
    json_write_open_object(&w, NULL);
    json_write_close(&w);
    json_write_open_array(&w, NULL);
    json_write_bool(&w, NULL, true);
    json_write_null(&w, NULL);
    json_write_close(&w);
    json_write_close(&w);
    json_write_raw(&w, "c", TEXT("[1, 2]"));
    json_write_int_text(&w, "d", INT64_MIN);
    json_write_close(&w);
    cr_assert_str_eq(buf_string(&buf), "{\"a\":\"x\\\"y\",\"b\":[-1,{},[true,null]],"
                                       "\"c\":[1, 2],\"d\":\"-9223372036854775808\"}");
}

Test(json_write, absent_values_are_null_or_left_out)
{
    CLEANUP(buf_deinit) struct buf buf;
    struct json_write w;
    struct uuid none = {{0}};

    buf_init(&buf, 0);
    json_write_init(&w, &buf);
    json_write_open_object(&w, NULL);
    json_write_text(&w, "a", TEXT_NONE);
    json_write_text_if(&w, "b", TEXT_NONE);
    json_write_text_if(&w, "c", TEXT(""));
    json_write_raw(&w, "d", TEXT_NONE);
    json_write_raw_if(&w, "e", TEXT_NONE);
    json_write_uuid(&w, "f", none);
    json_write_uuid_if(&w, "g", none);
    json_write_close(&w);
    cr_assert_str_eq(buf_string(&buf), "{\"a\":null,\"c\":\"\",\"d\":null,\"f\":null}");
}

Test(json_write, ids_have_their_usual_form)
{
    CLEANUP(buf_deinit) struct buf buf;
    struct json_write w;
    struct uuid id = {{0x01, [15] = 0xff}};

    buf_init(&buf, 0);
    json_write_init(&w, &buf);
    json_write_open_array(&w, NULL);
    json_write_uuid(&w, NULL, id);
    json_write_close(&w);
    cr_assert_str_eq(buf_string(&buf), "[\"01000000-0000-0000-0000-0000000000ff\"]");
}

Test(json_write, doubles_are_read_back_as_they_were)
{
    const double values[] = {0, 0.1, 1.0 / 3, 1e300, -2.5, 5e-324, 123456789012345680.0};

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        CLEANUP(buf_deinit) struct buf buf;
        struct json_write w;

        buf_init(&buf, 0);
        json_write_init(&w, &buf);
        json_write_double(&w, NULL, values[i]);
        cr_assert_eq(strtod(buf_string(&buf), NULL), values[i], "%s", buf_string(&buf));
        buf_reset(&buf);
        json_write_init(&w, &buf);
        json_write_double(&w, NULL, i % 2 ? NAN : INFINITY);
        cr_assert_str_eq(buf_string(&buf), "null");
    }
}

Test(json_write, a_member_without_a_name_is_a_mistake, .signal = SIGABRT)
{
    struct buf buf;
    struct json_write w;

    buf_init(&buf, 0);
    json_write_init(&w, &buf);
    json_write_open_object(&w, NULL);
    json_write_null(&w, NULL);
}
