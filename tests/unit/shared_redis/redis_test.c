/* The shared connection against a real server. */

#include "redis_support.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"

#define FIBERS 500

static void values_and_keys_of_any_bytes(void *arg)
{
    struct redis *redis = test_redis_open(0);
    struct text key = {"bin\0\r\n\xff$", 8};
    struct text value = {"\0\r\n*3\r\n\xfe", 9};
    struct text set[] = {TEXT("SET"), key, value};
    struct text get[] = {TEXT("GET"), key};
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    struct error err = {0};

    (void)arg;
    cr_assert_eq(redis_command(redis, set, 3, NULL, &err), 0, "%s", err.text);
    cr_assert_eq(redis_command(redis, get, 2, &reply, &err), 0, "%s", err.text);
    cr_assert(text_equal(redis_reply_text(reply), value));
    redis_close(redis);
}

Test(redis, keys_and_values_may_hold_any_bytes)
{
    loop_run(values_and_keys_of_any_bytes, NULL);
}

static void kinds_of_reply(void *arg)
{
    struct redis *redis = test_redis_open(0);
    redisReply *reply = NULL;
    struct error err = {0};
    char text[32];

    (void)arg;
    ask_text(redis, "SET kinds 1", text, sizeof(text));
    cr_assert_str_eq(text, "OK");
    cr_assert_eq(ask_int(redis, "INCR kinds"), 2);
    cr_assert_eq(ask(redis, "GET kinds:none", &reply, &err), 0);
    cr_assert_eq(reply->type, REDIS_REPLY_NIL);
    cr_assert_null(redis_reply_text(reply).ptr);
    redis_reply_freep(&reply);
    cr_assert_null(reply);
    cr_assert_eq(ask(redis, "MGET kinds kinds:none", &reply, &err), 0);
    cr_assert_eq(reply->elements, 2);
    redis_reply_free(reply);
    redis_close(redis);
}

Test(redis, each_kind_of_reply_comes_back)
{
    loop_run(kinds_of_reply, NULL);
}

static void error_reply(void *arg)
{
    struct redis *redis = test_redis_open(0);
    redisReply *reply = NULL;
    struct error err = {0};

    (void)arg;
    cr_assert_eq(ask(redis, "RPUSH errors:list 1", NULL, &err), 0);
    cr_assert_eq(ask(redis, "INCR errors:list", &reply, &err), -E_REJECTED);
    cr_assert(text_starts(text_of(err.text), "WRONGTYPE"), "%s", err.text);
    cr_assert_null(reply);
    cr_assert_eq(ask(redis, "NOSUCHCOMMAND", NULL, &err), -E_REJECTED);
    cr_assert_eq(ask_int(redis, "LLEN errors:list"), 1);
    redis_close(redis);
}

Test(redis, an_error_reply_is_a_rejection_with_its_text_and_harms_nobody_else)
{
    loop_run(error_reply, NULL);
}

struct crowd {
    struct redis *redis;
    int next;
    int right;
};

static void echo_own_number(void *arg)
{
    struct crowd *crowd = arg;
    int number = crowd->next++;
    char words[64], text[64];

    for (int round = 0; round < 5; round++) {
        char expected[32];

        snprintf(expected, sizeof(expected), "%d.%d", number, round);
        snprintf(words, sizeof(words), "ECHO %s", expected);
        ask_text(crowd->redis, words, text, sizeof(text));
        cr_assert_str_eq(text, expected);
    }
    crowd->right++;
}

static void many_fibers(void *arg)
{
    struct crowd crowd = {.redis = test_redis_open(10000)};
    static struct fiber *fibers[FIBERS];

    (void)arg;
    for (int i = 0; i < FIBERS; i++)
        fibers[i] = fiber_start("crowd", echo_own_number, &crowd);
    for (int i = 0; i < FIBERS; i++)
        fiber_join(fibers[i]);
    cr_assert_eq(crowd.right, FIBERS);
    redis_close(crowd.redis);
}

Test(redis, each_of_many_fibers_gets_its_own_reply)
{
    loop_run(many_fibers, NULL);
}

struct big {
    struct redis *redis;
    char *bytes;
    size_t size;
};

static void store_and_fetch(void *arg)
{
    struct big *big = arg;
    char key[32];
    struct text name = {key, 0};
    struct text set[] = {TEXT("SET"), TEXT_NONE, {big->bytes, big->size}};
    struct text get[] = {TEXT("GET"), TEXT_NONE};
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    struct error err = {0};

    name.len = (size_t)snprintf(key, sizeof(key), "big:%p", (void *)fiber_self());
    set[1] = get[1] = name;
    cr_assert_eq(redis_command(big->redis, set, 3, NULL, &err), 0, "%s", err.text);
    cr_assert_eq(redis_command(big->redis, get, 2, &reply, &err), 0, "%s", err.text);
    cr_assert_eq(redis_reply_text(reply).len, big->size);
    cr_assert_eq(memcmp(reply->str, big->bytes, big->size), 0);
}

static void more_than_the_socket_takes(void *arg)
{
    struct big big = {.redis = test_redis_open(20000), .size = (size_t)1 << 20};
    struct fiber *fibers[12];

    (void)arg;
    big.bytes = xmalloc(big.size);
    for (size_t i = 0; i < big.size; i++)
        big.bytes[i] = (char)(i * 31 >> 3);
    for (size_t i = 0; i < ARRAY_LENGTH(fibers); i++)
        fibers[i] = fiber_start("big", store_and_fetch, &big);
    for (size_t i = 0; i < ARRAY_LENGTH(fibers); i++)
        fiber_join(fibers[i]);
    free(big.bytes);
    redis_close(big.redis);
}

Test(redis, more_than_the_socket_takes_at_once_arrives_whole)
{
    loop_run(more_than_the_socket_takes, NULL);
}

static void too_large(void *arg)
{
    struct redis *redis = test_redis_open(0);
    struct text set[] = {TEXT("SET"), TEXT("huge"), {NULL, (size_t)65 << 20}};
    char *bytes = xcalloc(1, set[2].len);
    struct error err = {0};

    (void)arg;
    set[2].ptr = bytes;
    cr_assert_eq(redis_command(redis, set, 3, NULL, &err), -E_UNAVAILABLE);
    cr_assert_eq(ask_int(redis, "EXISTS huge"), 0);
    free(bytes);
    redis_close(redis);
}

Test(redis, a_command_over_the_output_limit_is_refused_unsent)
{
    loop_run(too_large, NULL);
}

static struct redis_script sum = {"sum", "return redis.call('INCRBY', KEYS[1], ARGV[1])", ""};

static void script_flush(void *arg)
{
    struct redis *redis = test_redis_open(0);
    struct text keys[] = {TEXT("script:sum")};
    struct text args[] = {TEXT("5")};
    struct error err = {0};

    (void)arg;
    for (int i = 1; i <= 3; i++) {
        CLEANUP(redis_reply_freep) redisReply *reply = NULL;

        cr_assert_eq(redis_script(redis, &sum, keys, 1, args, 1, &reply, &err), 0, "%s", err.text);
        cr_assert_eq(reply->integer, 5 * i);
        cr_assert_eq(strlen(sum.sha), 40);
        cr_assert_eq(ask(redis, "SCRIPT FLUSH SYNC", NULL, &err), 0);
    }
    redis_close(redis);
}

Test(redis, a_script_that_the_server_forgot_is_loaded_again)
{
    loop_run(script_flush, NULL);
}

static void script_error(void *arg)
{
    static struct redis_script broken = {"broken", "return redis.error_reply('NOPE never')", ""};
    struct redis *redis = test_redis_open(0);
    struct error err = {0};

    (void)arg;
    cr_assert_eq(redis_script(redis, &broken, NULL, 0, NULL, 0, NULL, &err), -E_REJECTED);
    cr_assert(text_starts(text_of(err.text), "NOPE never"), "%s", err.text);
    redis_close(redis);
}

Test(redis, an_error_of_a_script_is_a_rejection)
{
    loop_run(script_error, NULL);
}

static void posts(void *arg)
{
    struct redis *redis = test_redis_open(0);
    struct text incr[] = {TEXT("INCR"), TEXT("posts")};

    (void)arg;
    for (int i = 0; i < 10; i++)
        redis_post(redis, incr, 2);
    cr_assert_eq(ask_int(redis, "INCR posts"), 11);
    redis_post(redis, incr, 2);
    redis_close(redis);
    redis = test_redis_open(0);
    cr_assert_eq(ask_int(redis, "INCR posts"), 13, "what was posted before closing was sent");
    redis_close(redis);
}

Test(redis, posted_commands_take_their_turn_and_leave_before_closing)
{
    loop_run(posts, NULL);
}

static void in_a_database(void *arg)
{
    char url[256];
    struct redis *other, *redis = test_redis_open(0);
    struct error err = {0};

    (void)arg;
    snprintf(url, sizeof(url), "%s?db=3", test_redis_url());
    other = test_redis_open_url(url, 0);
    cr_assert_eq(ask(other, "SET db:mark 1", NULL, &err), 0);
    cr_assert_eq(ask_int(other, "EXISTS db:mark"), 1);
    cr_assert_eq(ask_int(redis, "EXISTS db:mark"), 0);
    redis_close(other);
    redis_close(redis);
}

Test(redis, the_database_of_the_url_is_selected)
{
    loop_run(in_a_database, NULL);
}

static void bad_urls(void *arg)
{
    struct redis_options options = {.url = "redis://:x@"};
    struct redis *redis = NULL;
    struct redis_conn *conn = NULL;

    (void)arg;
    cr_assert_eq(redis_open(&options, &redis, NULL), -E_INVALID);
    cr_assert_null(redis);
    cr_assert_eq(redis_conn_open(&options, deadline_in(100), &conn, NULL), -E_INVALID);
    cr_assert_null(conn);
    redis_close(NULL);
    redis_conn_close(NULL);
    redis_reply_free(NULL);
}

Test(redis, a_malformed_url_opens_nothing)
{
    loop_run(bad_urls, NULL);
}

static void passwords(void *arg)
{
    struct redis *redis = test_redis_open(0);
    struct redis_options options;
    struct redis *denied = NULL;
    struct redis_conn *conn = NULL;
    struct error err = {0};
    char url[256];
    const char *path = strstr(test_redis_url(), "//") + 2;

    (void)arg;
    cr_assert_eq(ask(redis, "ACL SETUSER tester on >s3cret ~* &* +@all", NULL, &err), 0);
    snprintf(url, sizeof(url), "unix://tester:wrong@%s", path);
    options = (struct redis_options){.url = url};
    cr_assert_eq(redis_conn_open(&options, deadline_in(2000), &conn, &err), -E_DENIED);
    cr_assert_null(strstr(err.text, "wrong@"));
    cr_assert_eq(redis_open(&options, &denied, &err), 0);
    cr_assert_eq(redis_wait_ready(denied, deadline_in(5000), &err), -E_DENIED, "%s", err.text);
    cr_assert_eq(ask(denied, "PING", NULL, &err), -E_UNAVAILABLE);
    redis_close(denied);
    snprintf(url, sizeof(url), "unix://:nobody-set-one@%s", path);
    cr_assert_eq(redis_conn_open(&options, deadline_in(2000), &conn, &err), -E_DENIED);
    snprintf(url, sizeof(url), "unix://tester:s%%33cret@%s", path);
    cr_assert_eq(redis_conn_open(&options, deadline_in(2000), &conn, &err), 0, "%s", err.text);
    redis_conn_close(conn);
    snprintf(url, sizeof(url), "unix://%s?db=9999", path);
    cr_assert_eq(redis_conn_open(&options, deadline_in(2000), &conn, &err), -E_REJECTED);
    redis_close(redis);
}

Test(redis, a_wrong_password_is_denied_and_a_right_one_accepted)
{
    loop_run(passwords, NULL);
}
