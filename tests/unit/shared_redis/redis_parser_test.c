/* The reply parser and its limits, without a server. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/redis/redis_internal.h"

static int feed(struct redis_parser *parser, const char *bytes)
{
    return redis_parser_feed(parser, bytes, strlen(bytes), NULL);
}

Test(redis_parser, a_reply_may_arrive_in_single_bytes)
{
    static const char bytes[] = "*2\r\n$3\r\na\r\n\r\n:42\r\n";
    struct redis_parser parser;
    redisReply *reply = NULL;

    redis_parser_init(&parser);
    for (size_t i = 0; i + 1 < sizeof(bytes); i++) {
        cr_assert_eq(redis_parser_next(&parser, &reply, NULL), REDIS_PARSER_MORE);
        cr_assert_eq(redis_parser_feed(&parser, bytes + i, 1, NULL), 0);
    }
    cr_assert_eq(redis_parser_next(&parser, &reply, NULL), 0);
    cr_assert_eq(reply->type, REDIS_REPLY_ARRAY);
    cr_assert_eq(reply->elements, 2);
    cr_assert(text_equal(redis_reply_text(reply->element[0]), TEXT("a\r\n")));
    cr_assert_eq(reply->element[1]->integer, 42);
    redis_reply_free(reply);
    redis_parser_deinit(&parser);
}

Test(redis_parser, several_replies_of_one_read_come_out_in_order)
{
    struct redis_parser parser;
    redisReply *reply;

    redis_parser_init(&parser);
    cr_assert_eq(feed(&parser, ":1\r\n:2\r\n$-1\r\n:4"), 0);
    for (int i = 1; i <= 3; i++) {
        cr_assert_eq(redis_parser_next(&parser, &reply, NULL), 0);
        cr_assert_eq(reply->type, i == 3 ? REDIS_REPLY_NIL : REDIS_REPLY_INTEGER);
        cr_assert(i == 3 || reply->integer == i);
        redis_reply_free(reply);
    }
    cr_assert_eq(redis_parser_next(&parser, &reply, NULL), REDIS_PARSER_MORE);
    redis_parser_deinit(&parser);
}

Test(redis_parser, what_is_no_reply_is_a_protocol_error)
{
    static const char *const garbage[] = {
        "HTTP/1.1 400 Bad Request\r\n",
        "\r\n",
        ":12x\r\n",
        "$abc\r\n",
        "*x\r\n",
        "!\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(garbage); i++) {
        struct redis_parser parser;
        redisReply *reply;
        struct error err = {0};

        redis_parser_init(&parser);
        cr_assert_eq(feed(&parser, garbage[i]), 0);
        cr_assert_eq(redis_parser_next(&parser, &reply, &err), -E_PROTOCOL, "%s", garbage[i]);
        redis_parser_deinit(&parser);
    }
}

Test(redis_parser, an_array_of_an_absurd_length_is_refused_before_it_is_allocated)
{
    struct redis_parser parser;
    redisReply *reply;

    redis_parser_init(&parser);
    cr_assert_eq(feed(&parser, "*1048577\r\n"), 0);
    cr_assert_eq(redis_parser_next(&parser, &reply, NULL), -E_PROTOCOL);
    redis_parser_deinit(&parser);
}

Test(redis_parser, arrays_are_seven_deep_at_most)
{
    static const struct {
        int depth;
        int result;
    } cases[] = {{1, 0}, {7, 0}, {8, -E_PROTOCOL}, {1000, -E_PROTOCOL}};

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct redis_parser parser;
        redisReply *reply = NULL;

        redis_parser_init(&parser);
        for (int depth = 0; depth < cases[i].depth; depth++)
            cr_assert_eq(feed(&parser, "*1\r\n"), 0);
        cr_assert_eq(feed(&parser, ":1\r\n"), 0);
        cr_assert_eq(redis_parser_next(&parser, &reply, NULL), cases[i].result, "%d",
                     cases[i].depth);
        redis_reply_free(reply);
        redis_parser_deinit(&parser);
    }
}

Test(redis_parser, arrays_in_arrays_count_together)
{
    struct redis_parser parser;
    redisReply *reply;

    redis_parser_init(&parser);
    cr_assert_eq(feed(&parser, "*2\r\n*1048570\r\n"), 0);
    cr_assert_eq(redis_parser_next(&parser, &reply, NULL), REDIS_PARSER_MORE);
    redis_parser_deinit(&parser);

    redis_parser_init(&parser);
    cr_assert_eq(feed(&parser, "*2\r\n*0\r\n*1048576\r\n"), 0);
    cr_assert_eq(redis_parser_next(&parser, &reply, NULL), -E_PROTOCOL);
    redis_parser_deinit(&parser);
}

Test(redis_parser, the_count_of_elements_starts_anew_with_each_reply)
{
    struct redis_parser parser;
    redisReply *reply;

    redis_parser_init(&parser);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(feed(&parser, "*400000\r\n"), 0);
        cr_assert_eq(redis_parser_next(&parser, &reply, NULL), REDIS_PARSER_MORE);
        for (int k = 0; k < 400; k++) {
            char nils[4001];

            for (int n = 0; n < 1000; n++)
                memcpy(nils + (size_t)n * 4, ":1\r\n", 5);
            cr_assert_eq(feed(&parser, nils), 0);
        }
        cr_assert_eq(redis_parser_next(&parser, &reply, NULL), 0);
        redis_reply_free(reply);
    }
    redis_parser_deinit(&parser);
}

Test(redis_parser, a_line_without_an_end_is_given_up)
{
    struct redis_parser parser;
    redisReply *reply;
    char *line = xmalloc(70001);

    memset(line, 'x', 70000);
    line[70000] = '\0';
    redis_parser_init(&parser);
    cr_assert_eq(feed(&parser, "+"), 0);
    cr_assert_eq(feed(&parser, line), 0);
    cr_assert_eq(redis_parser_next(&parser, &reply, NULL), -E_PROTOCOL);
    redis_parser_deinit(&parser);
    free(line);
}

Test(redis_parser, a_reply_over_the_size_limit_is_refused)
{
    struct redis_parser parser;
    redisReply *reply;
    size_t size = (size_t)1 << 20;
    char *chunk = xcalloc(1, size);
    int r = 0;

    redis_parser_init(&parser);
    cr_assert_eq(feed(&parser, "$999999999999\r\n"), 0);
    for (int i = 0; i < 64 && r == 0; i++) {
        cr_assert_eq(redis_parser_next(&parser, &reply, NULL), REDIS_PARSER_MORE);
        r = redis_parser_feed(&parser, chunk, size, NULL);
    }
    cr_assert_eq(r, -E_LIMIT);
    redis_parser_deinit(&parser);
    free(chunk);
}
