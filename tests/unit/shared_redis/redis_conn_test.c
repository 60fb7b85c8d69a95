/* Dedicated connections: blocking reads with a deadline, and subscriptions. */

#include "redis_support.h"

#include <stdio.h>

static void block_elapsed(void *arg)
{
    struct redis_conn *conn = test_redis_conn();
    redisReply *reply = NULL;
    struct error err = {0};

    (void)arg;
    cr_assert_eq(ask_conn(conn, "BLPOP conn:none 0.05", 1000, &reply, &err), 0, "%s", err.text);
    cr_assert_eq(reply->type, REDIS_REPLY_NIL);
    redis_reply_freep(&reply);
    cr_assert_eq(ask_conn(conn, "RPUSH conn:list a", 1000, NULL, &err), 0);
    cr_assert_eq(ask_conn(conn, "BLPOP conn:list 1", 1000, &reply, &err), 0);
    cr_assert_eq(reply->elements, 2);
    redis_reply_free(reply);
    redis_conn_close(conn);
}

Test(redis_conn, a_block_that_elapses_is_a_nil_reply)
{
    loop_run(block_elapsed, NULL);
}

static void deadline_first(void *arg)
{
    struct redis_conn *conn = test_redis_conn();
    struct error err = {0};
    int64_t start_ms = clock_ms();

    (void)arg;
    cr_assert_eq(ask_conn(conn, "BLPOP conn:deadline 5", 80, NULL, &err), -E_TIMEOUT);
    cr_assert(clock_ms() - start_ms < 1000);
    cr_assert_eq(ask_conn(conn, "PING", 1000, NULL, &err), -E_CLOSED, "it is broken for good");
    redis_conn_close(conn);
}

Test(redis_conn, a_deadline_before_the_reply_breaks_the_connection)
{
    loop_run(deadline_first, NULL);
}

static void rejected(void *arg)
{
    struct redis_conn *conn = test_redis_conn();
    struct error err = {0};

    (void)arg;
    cr_assert_eq(ask_conn(conn, "XREADGROUP GROUP g c STREAMS conn:no >", 1000, NULL, &err),
                 -E_REJECTED);
    cr_assert(text_starts(text_of(err.text), "NOGROUP"), "%s", err.text);
    cr_assert_eq(ask_conn(conn, "PING", 1000, NULL, &err), 0, "an error reply breaks nothing");
    redis_conn_close(conn);
}

Test(redis_conn, an_error_reply_leaves_the_connection_usable)
{
    loop_run(rejected, NULL);
}

static void killed(void *arg)
{
    struct redis *redis = test_redis_open(0);
    struct redis_conn *conn = test_redis_conn();
    redisReply *reply = NULL;
    struct error err = {0};
    char words[64];

    (void)arg;
    cr_assert_eq(ask_conn(conn, "CLIENT ID", 1000, &reply, &err), 0);
    snprintf(words, sizeof(words), "CLIENT KILL ID %lld", reply->integer);
    redis_reply_free(reply);
    cr_assert_eq(ask_int(redis, words), 1);
    cr_assert_lt(ask_conn(conn, "PING", 1000, NULL, &err), 0);
    cr_assert(err.code == E_AMBIGUOUS || err.code == E_CLOSED, "%s", err.text);
    redis_conn_close(conn);
    redis_close(redis);
}

Test(redis_conn, a_killed_connection_says_so)
{
    loop_run(killed, NULL);
}

static void expect_message(struct redis_conn *conn, const char *channel, const char *payload)
{
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    struct error err = {0};

    cr_assert_eq(redis_conn_next(conn, deadline_in(2000), &reply, &err), 0, "%s", err.text);
    cr_assert_eq(reply->elements, 3);
    cr_assert(text_is(redis_reply_text(reply->element[0]), "message"));
    cr_assert(text_is(redis_reply_text(reply->element[1]), channel));
    cr_assert(text_is(redis_reply_text(reply->element[2]), payload));
}

static void subscription(void *arg)
{
    struct redis *redis = test_redis_open(0);
    struct redis_conn *conn = test_redis_conn();
    redisReply *reply = NULL;
    struct error err = {0};

    (void)arg;
    cr_assert_eq(ask_conn(conn, "SUBSCRIBE sub:a sub:b", 1000, &reply, &err), 0, "%s", err.text);
    cr_assert_eq(reply->element[2]->integer, 2, "all channels are confirmed");
    redis_reply_free(reply);
    cr_assert_eq(redis_conn_next(conn, deadline_in(30), &reply, &err), -E_TIMEOUT);
    cr_assert_eq(ask_int(redis, "PUBLISH sub:a one"), 1, "a time-out leaves it subscribed");
    expect_message(conn, "sub:a", "one");
    cr_assert_eq(ask_int(redis, "PUBLISH sub:b two"), 1);
    cr_assert_eq(ask_int(redis, "PUBLISH sub:a three"), 1);
    cr_assert_eq(ask_conn(conn, "PING", 1000, &reply, &err), 0, "%s", err.text);
    cr_assert(text_is(redis_reply_text(reply->element[0]), "pong"));
    redis_reply_free(reply);
    cr_assert_eq(ask_conn(conn, "SUBSCRIBE sub:c", 1000, NULL, &err), 0);
    cr_assert_eq(ask_int(redis, "PUBLISH sub:c four"), 1);
    expect_message(conn, "sub:b", "two");
    expect_message(conn, "sub:a", "three");
    expect_message(conn, "sub:c", "four");
    cr_assert_eq(ask_conn(conn, "UNSUBSCRIBE sub:a sub:b", 1000, &reply, &err), 0);
    cr_assert_eq(reply->element[2]->integer, 1);
    redis_reply_free(reply);
    cr_assert_eq(ask_int(redis, "PUBLISH sub:a gone"), 0);
    redis_conn_close(conn);
    redis_close(redis);
}

Test(redis_conn, messages_come_in_order_also_those_that_arrive_while_a_command_waits)
{
    loop_run(subscription, NULL);
}

static void listen_for_one(void *arg)
{
    struct redis_conn *conn = arg;
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    struct error err = {0};

    cr_assert_eq(redis_conn_next(conn, deadline_in(2000), &reply, &err), 0, "%s", err.text);
    cr_assert(text_is(redis_reply_text(reply->element[0]), "subscribe"));
    expect_message(conn, "late:channel", "hello");
}

static void subscribe_while_waiting(void *arg)
{
    struct redis *redis = test_redis_open(0);
    struct redis_conn *conn = test_redis_conn();
    struct fiber *fiber = fiber_start("listener", listen_for_one, conn);
    struct text subscribe[] = {TEXT("SUBSCRIBE"), TEXT("late:channel")};
    struct error err = {0};

    (void)arg;
    cr_assert_eq(fiber_sleep(20, &err), 0);
    cr_assert_eq(redis_conn_send(conn, subscribe, 2, deadline_in(1000), &err), 0);
    while (ask_int(redis, "PUBLISH late:channel hello") == 0)
        cr_assert_eq(fiber_sleep(5, &err), 0);
    fiber_join(fiber);
    redis_conn_close(conn);
    redis_close(redis);
}

Test(redis_conn, one_fiber_may_subscribe_while_another_waits_for_messages)
{
    loop_run(subscribe_while_waiting, NULL);
}

static void wait_for_message(void *arg)
{
    struct redis_conn *conn = arg;
    redisReply *reply = NULL;
    struct error err = {0};

    cr_assert_eq(redis_conn_next(conn, DEADLINE_NONE, &reply, &err), -E_CANCELED);
}

static void cancelled_listener(void *arg)
{
    struct redis_conn *conn = test_redis_conn();
    struct fiber *fiber = fiber_start("listener", wait_for_message, conn);
    struct error err = {0};

    (void)arg;
    cr_assert_eq(fiber_sleep(10, &err), 0);
    fiber_cancel(fiber);
    fiber_join(fiber);
    cr_assert_eq(ask_conn(conn, "PING", 1000, NULL, &err), 0, "%s", err.text);
    redis_conn_close(conn);
}

Test(redis_conn, a_cancelled_wait_for_messages_leaves_the_connection_usable)
{
    loop_run(cancelled_listener, NULL);
}

static void replies_like_messages(void *arg)
{
    struct redis_conn *conn = test_redis_conn();
    redisReply *reply = NULL;
    struct error err = {0};

    (void)arg;
    cr_assert_eq(ask_conn(conn, "RPUSH conn:words message subscribe x", 1000, NULL, &err), 0);
    cr_assert_eq(ask_conn(conn, "LRANGE conn:words 0 -1", 1000, &reply, &err), 0, "%s", err.text);
    cr_assert_eq(reply->elements, 3);
    redis_reply_free(reply);
    redis_conn_close(conn);
}

Test(redis_conn, a_reply_that_looks_like_a_message_is_a_reply_where_nobody_subscribed)
{
    loop_run(replies_like_messages, NULL);
}
