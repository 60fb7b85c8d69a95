/* The shared connection when things go wrong: kills, time-outs, cancels, a server that lies. */

#include "redis_support.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/memory.h"
#include "shared/io/io.h"

struct blocked {
    struct redis *redis;
    const char *words;
    int result;
    struct error err;
};

static void wait_for_reply(void *arg)
{
    struct blocked *blocked = arg;

    blocked->result = ask(blocked->redis, blocked->words, NULL, &blocked->err);
}

/* Who asks again at once hears the reason, too. */
static void ask_twice(void *arg)
{
    struct blocked *blocked = arg;
    struct error err = {0};

    wait_for_reply(blocked);
    cr_assert_eq(ask(blocked->redis, "PING", NULL, &err), -E_UNAVAILABLE);
    cr_assert(strstr(err.text, "Redis closed the connection"), "%s", err.text);
}

static void kill_in_flight(void *arg)
{
    struct redis *redis = test_redis_open(0);
    struct redis *other = test_redis_open(0);
    struct blocked blocked[2] = {{.redis = redis, .words = "BLPOP kill:none 0"},
                                 {.redis = redis, .words = "INCR kill:behind"}};
    struct fiber *fibers[2];
    struct error err = {0};
    long long id = ask_int(redis, "CLIENT ID");
    char words[64];

    (void)arg;
    for (int i = 0; i < 2; i++)
        fibers[i] = fiber_start("blocked", ask_twice, &blocked[i]);
    cr_assert_eq(fiber_sleep(30, &err), 0);
    snprintf(words, sizeof(words), "CLIENT KILL ID %lld", id);
    cr_assert_eq(ask_int(other, words), 1);
    for (int i = 0; i < 2; i++) {
        fiber_join(fibers[i]);
        cr_assert_eq(blocked[i].result, -E_AMBIGUOUS, "%s", blocked[i].err.text);
    }
    cr_assert_eq(redis_wait_ready(redis, deadline_in(3000), &err), 0, "%s", err.text);
    cr_assert_neq(ask_int(redis, "CLIENT ID"), id);
    redis_close(redis);
    redis_close(other);
}

Test(redis_faults, a_killed_connection_leaves_its_commands_ambiguous_and_comes_back)
{
    loop_run(kill_in_flight, NULL);
}

/* BLPOP holds up what is behind it on the connection, and nobody else on the server. The second
 * one's reply is late; the link is never silent for as long as would make it half-open. */
static void late_reply(void *arg)
{
    struct redis *redis = test_redis_open(1000);
    struct blocked first = {.redis = redis, .words = "BLPOP late:none 0.6"};
    struct fiber *fiber = fiber_start("blocked", wait_for_reply, &first);
    struct error err = {0};
    char text[32];

    (void)arg;
    cr_assert_eq(fiber_sleep(30, &err), 0);
    cr_assert_eq(ask(redis, "BLPOP late:none 0.6", NULL, &err), -E_TIMEOUT, "%s", err.text);
    fiber_join(fiber);
    cr_assert_eq(first.result, 0, "%s", first.err.text);
    ask_text(redis, "ECHO right", text, sizeof(text));
    cr_assert_str_eq(text, "right", "the late reply belongs to nobody");
    for (int i = 1; i <= 5; i++)
        cr_assert_eq(ask_int(redis, "INCR late:counter"), i);
    redis_close(redis);
}

Test(redis_faults, after_a_time_out_later_commands_still_get_their_own_replies)
{
    loop_run(late_reply, NULL);
}

static void cancel_one(void *arg)
{
    struct redis *redis = test_redis_open(2000);
    struct blocked blocked = {.redis = redis, .words = "BLPOP cancel:none 0.2"};
    struct fiber *fiber = fiber_start("blocked", wait_for_reply, &blocked);
    struct error err = {0};
    char text[32];

    (void)arg;
    cr_assert_eq(fiber_sleep(20, &err), 0);
    fiber_cancel(fiber);
    fiber_join(fiber);
    cr_assert_eq(blocked.result, -E_CANCELED);
    ask_text(redis, "ECHO mine", text, sizeof(text));
    cr_assert_str_eq(text, "mine");
    redis_close(redis);
}

Test(redis_faults, a_cancelled_waiter_leaves_the_order_of_replies_intact)
{
    loop_run(cancel_one, NULL);
}

static void ask_while_cancelled(void *arg)
{
    struct blocked *blocked = arg;

    fiber_cancel(fiber_self());
    wait_for_reply(blocked);
}

static void cancelled_before(void *arg)
{
    struct redis *redis = test_redis_open(0);
    struct blocked blocked = {.redis = redis, .words = "SET cancelled:mark 1"};

    (void)arg;
    fiber_join(fiber_start("cancelled", ask_while_cancelled, &blocked));
    cr_assert_eq(blocked.result, -E_CANCELED);
    cr_assert_eq(ask_int(redis, "EXISTS cancelled:mark"), 0);
    redis_close(redis);
}

Test(redis_faults, a_cancelled_fiber_sends_nothing)
{
    loop_run(cancelled_before, NULL);
}

static void close_in_flight(void *arg)
{
    struct redis *redis = test_redis_open(0);
    struct blocked blocked = {.redis = redis, .words = "BLPOP close:none 0"};
    struct fiber *fiber = fiber_start("blocked", wait_for_reply, &blocked);
    struct error err = {0};

    (void)arg;
    cr_assert_eq(fiber_sleep(20, &err), 0);
    redis_close(redis);
    fiber_join(fiber);
    cr_assert_eq(blocked.result, -E_AMBIGUOUS);
}

Test(redis_faults, closing_fails_what_is_in_flight)
{
    loop_run(close_in_flight, NULL);
}

static void full_queue(void *arg)
{
    struct redis_options options = {.url = test_redis_url(), .queue_max = 3};
    struct redis *redis;
    struct blocked blocked[3];
    struct fiber *fibers[3];
    struct error err = {0};

    (void)arg;
    cr_assert_eq(redis_open(&options, &redis, &err), 0);
    cr_assert_eq(redis_wait_ready(redis, deadline_in(3000), &err), 0);
    for (int i = 0; i < 3; i++) {
        blocked[i] = (struct blocked){.redis = redis, .words = "BLPOP full:none 0.1"};
        fibers[i] = fiber_start("blocked", wait_for_reply, &blocked[i]);
    }
    fiber_yield();
    cr_assert_eq(ask(redis, "PING", NULL, &err), -E_UNAVAILABLE);
    for (int i = 0; i < 3; i++) {
        fiber_join(fibers[i]);
        cr_assert_eq(blocked[i].result, 0, "%s", blocked[i].err.text);
    }
    cr_assert_eq(ask(redis, "PING", NULL, &err), 0);
    redis_close(redis);
}

Test(redis_faults, a_full_queue_refuses_more)
{
    loop_run(full_queue, NULL);
}

static void nobody_listens(void *arg)
{
    struct redis_options options = {.url = "unix:///nonexistent/redis.sock"};
    struct text ping[] = {TEXT("PING")};
    struct redis *redis;
    struct redis_conn *conn;
    struct error err = {0};
    int64_t start_ms = clock_ms();

    (void)arg;
    cr_assert_eq(redis_open(&options, &redis, &err), 0);
    cr_assert(!redis_is_ready(redis));
    cr_assert_eq(ask(redis, "PING", NULL, &err), -E_UNAVAILABLE);
    redis_post(redis, ping, 1);
    cr_assert(clock_ms() - start_ms < 50, "it does not wait");
    cr_assert_eq(redis_wait_ready(redis, deadline_in(120), &err), -E_TIMEOUT);
    cr_assert(strstr(err.text, "/nonexistent/redis.sock"), "the reason is told: %s", err.text);
    cr_assert_eq(redis_conn_open(&options, deadline_in(500), &conn, &err), -E_UNAVAILABLE);
    redis_close(redis);
}

Test(redis_faults, without_a_server_commands_fail_at_once)
{
    loop_run(nobody_listens, NULL);
}

static int fault; /* of the fake's first connection */

enum { GARBAGE, HALF_REPLY, NOTHING_MORE, UNASKED, HUGE_ARRAY };

/* First a fault, then an honest server that knows PING alone. */
static void misbehave(int fd, int connection)
{
    static const char *const answers[] = {
        [GARBAGE] = "HTTP/1.1 400 Bad Request\r\n\r\n",
        [HALF_REPLY] = "$100\r\nonly a part",
        [NOTHING_MORE] = "",
        [UNASKED] = "+OK\r\n+OK\r\n",
        [HUGE_ARRAY] = "*2147483647\r\n",
    };

    fake_greet(fd);
    if (connection == 0) {
        fake_read(fd);
        fake_write(fd, answers[fault]);
        if (fault == HALF_REPLY)
            return;
    }
    while (fake_read(fd))
        if (connection > 0)
            fake_write(fd, "+PONG\r\n");
}

static void faulty_server(void *arg)
{
    struct fake fake;
    struct redis *redis;
    struct error err = {0};
    int expected = *(const int *)arg;
    char text[16];

    fake_start(&fake, misbehave);
    /* Time enough for an honest answer on a busy machine; silence is waited out. */
    redis = test_redis_open_url(fake.url, fault == NOTHING_MORE ? 1000 : 5000);
    cr_assert_eq(ask(redis, "PING", NULL, &err), expected, "%s", err.text);
    for (int i = 0; i < 200 && fake.connections < 2; i++)
        cr_assert_eq(fiber_sleep(10, &err), 0);
    cr_assert_eq(redis_wait_ready(redis, deadline_in(3000), &err), 0, "%s", err.text);
    ask_text(redis, "PING", text, sizeof(text));
    cr_assert_str_eq(text, "PONG");
    cr_assert_eq(fake.connections, 2);
    redis_close(redis);
    fake_stop(&fake);
}

static void expect_fault(int kind, int expected)
{
    fault = kind;
    loop_run(faulty_server, &expected);
}

Test(redis_faults, garbage_breaks_the_connection_and_the_next_one_serves)
{
    expect_fault(GARBAGE, -E_AMBIGUOUS);
}

Test(redis_faults, a_close_in_the_middle_of_a_reply_is_ambiguous)
{
    expect_fault(HALF_REPLY, -E_AMBIGUOUS);
}

Test(redis_faults, a_silent_server_times_out_and_is_taken_for_half_open)
{
    expect_fault(NOTHING_MORE, -E_TIMEOUT);
}

Test(redis_faults, a_reply_that_nobody_asked_for_breaks_the_connection)
{
    expect_fault(UNASKED, 0);
}

Test(redis_faults, an_array_of_an_absurd_length_breaks_the_connection)
{
    expect_fault(HUGE_ARRAY, -E_AMBIGUOUS);
}

static const char *greeting;

static void greet_badly(int fd, int connection)
{
    (void)connection;
    if (fake_read(fd))
        fake_write(fd, greeting);
}

static void bad_greeting(void *arg)
{
    static const struct {
        const char *greeting;
        int result;
    } cases[] = {
        {"-NOAUTH Authentication required.\r\n", -E_DENIED},
        {"-LOADING Redis is loading the dataset in memory\r\n", -E_UNAVAILABLE},
        {"-ERR odd\r\n", -E_REJECTED},
        {"", -E_UNAVAILABLE},
        {"SSH-2.0-OpenSSH\r\n", -E_PROTOCOL},
    };
    struct fake fake;

    (void)arg;
    fake_start(&fake, greet_badly);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct redis_options options = {.url = fake.url};
        struct redis_conn *conn;
        struct error err = {0};

        greeting = cases[i].greeting;
        cr_assert_eq(redis_conn_open(&options, deadline_in(1000), &conn, &err), cases[i].result,
                     "%s: %s", greeting, err.text);
        cr_assert_eq(-err.code, cases[i].result);
    }
    fake_stop(&fake);
}

Test(redis_faults, each_bad_greeting_has_its_own_error)
{
    loop_run(bad_greeting, NULL);
}

static void accept_and_close(int fd, int connection)
{
    (void)fd;
    (void)connection;
}

static void flapping(void *arg)
{
    struct redis_options options;
    struct fake fake;
    struct redis *redis;
    struct error err = {0};

    (void)arg;
    fake_start(&fake, accept_and_close);
    options = (struct redis_options){.url = fake.url};
    cr_assert_eq(redis_open(&options, &redis, &err), 0);
    cr_assert_eq(redis_wait_ready(redis, deadline_in(600), &err), -E_TIMEOUT);
    cr_assert(fake.connections >= 2 && fake.connections < 40, "%d attempts", fake.connections);
    redis_close(redis);
    fake_stop(&fake);
}

Test(redis_faults, a_server_that_closes_at_once_is_not_hammered)
{
    loop_run(flapping, NULL);
}

static void stay_silent(int fd, int connection)
{
    (void)connection;
    while (fake_read(fd))
        ;
}

static void silent_greeting(void *arg)
{
    struct redis_options options;
    struct fake fake;
    struct redis_conn *conn;
    struct error err = {0};

    (void)arg;
    fake_start(&fake, stay_silent);
    options = (struct redis_options){.url = fake.url};
    cr_assert_eq(redis_conn_open(&options, deadline_in(100), &conn, &err), -E_TIMEOUT);
    fake_stop(&fake);
}

Test(redis_faults, connecting_to_a_silent_server_times_out)
{
    loop_run(silent_greeting, NULL);
}
