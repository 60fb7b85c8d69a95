/* Places of readers of a thread as text, and the rate of a socket. */

#include <criterion/criterion.h>

#include "scheduler/api/stream/socket_place.h"
#include "scheduler/api/stream/socket_rate.h"

static void comes_back(const struct socket_place *place)
{
    CLEANUP(buf_deinit) struct buf text;
    CLEANUP(buf_deinit) struct buf again;
    struct socket_place read;

    buf_init(&text, 0);
    buf_init(&again, 0);
    socket_place_write(place, &text);
    cr_assert(socket_place_parse(buf_text(&text), &read), "%s", buf_string(&text));
    socket_place_write(&read, &again);
    cr_assert_str_eq(buf_string(&text), buf_string(&again));
}

Test(socket_place, is_read_as_it_was_written)
{
    struct socket_place place = {.us = INT64_C(1790000000000000)};

    comes_back(&place);
    place.run = uuid_new();
    place.shown = (struct shown){.run = SHOWN_IN_PROGRESS,
                                 .seq = 7,
                                 .open = SHOWN_CALLS,
                                 .step = uuid_new(),
                                 .phase = 2,
                                 .calls = 3,
                                 .arguments = SHOWN_ALL,
                                 .output = true};
    comes_back(&place);
    place.shown = (struct shown){.run = SHOWN_ENDED, .seq = 7};
    comes_back(&place);
}

Test(socket_place, is_nothing_else)
{
    static const char *const wrong[] = {
        "",
        ".",
        "at.",
        "at.-1",
        "at.x",
        "at.36028797018963969",
        "at.99999999999999999999",
        "at.1.2",
        "i.3",
        "run_0195f3a2000070a1b3c5d7e9f1a3b5c7",
        "run_0195f3a2000070a1b3c5d7e9f1a3b5c7.",
        "run_0195f3a2000070a1b3c5d7e9f1a3b5c7.z.3",
        "run_0195f3a2000070a1b3c5d7e9f1a3b5c7.i.3.",
        "run_00000000000000000000000000000000.i.3",
        "msg_0195f3a2000070a1b3c5d7e9f1a3b5c7.i.3",
        "run_0195f3a2000070a1b3c5d7e9f1a3b5c.i.3",
    };
    struct socket_place place = {.us = 42};

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        cr_expect_not(socket_place_parse(text_of(wrong[i]), &place), "%s", wrong[i]);
    cr_expect_eq(place.us, 42);
}

Test(socket_rate, gives_a_burst_then_so_many_a_second)
{
    struct socket_rate rate = {0};
    int64_t now_ms = 1000000;
    int given = 0;

    for (int i = 0; i < SOCKET_BURST; i++)
        cr_assert_eq(socket_rate_take(&rate, now_ms), 0, "%d", i);
    cr_assert_eq(socket_rate_take(&rate, now_ms), 1000 / SOCKET_RATE);
    cr_assert_eq(socket_rate_take(&rate, now_ms + 49), 1);
    cr_assert_eq(socket_rate_take(&rate, now_ms + 50), 0, "when it said so");
    for (int ms = 51; ms <= 10050; ms++)
        given += socket_rate_take(&rate, now_ms + ms) == 0;
    cr_assert_eq(given, 10 * SOCKET_RATE);
}

Test(socket_rate, is_spent_by_who_never_heeds_it_and_not_by_who_rests)
{
    struct socket_rate rate = {0};
    int64_t now_ms = 0;

    for (int i = 0; i < SOCKET_BURST + SOCKET_EXCESS; i++)
        (void)!socket_rate_take(&rate, now_ms);
    cr_assert_not(socket_rate_is_spent(&rate));
    now_ms += 60000;
    cr_assert_eq(socket_rate_take(&rate, now_ms), 0);
    for (int i = 0; i < SOCKET_BURST + SOCKET_EXCESS; i++)
        (void)!socket_rate_take(&rate, now_ms);
    cr_assert(socket_rate_is_spent(&rate));
}
