/* Dedicated connections: blocking commands and subscriptions.
 *
 * A command owns the connection until its reply: when that does not come in time, the reply would
 * be taken for the next command's, so the connection is broken for good and only good for closing.
 * Waiting for messages is different: nothing was asked, so a time-out leaves it as it was.
 *
 * One fiber at a time reads (redis_conn_command, redis_conn_next); any may send. On a subscribed
 * connection messages arrive between a command and its reply: they are kept, in order, for
 * redis_conn_next, within a limit.
 */

#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/list.h"
#include "shared/base/memory.h"
#include "shared/fiber/cond.h"
#include "shared/io/io.h"
#include "shared/redis/redis_internal.h"

#define MESSAGES_KEPT_MAX 10000

struct redis_conn {
    struct redis_link link;
    bool broken;
    bool reading;
    bool sending;
    bool subscribed;
    struct cond sendable;
    struct list messages; /* of struct message */
    size_t messages_count;
};

/* What answers a command: a reply, or `count` confirmations with this word. */
struct expected {
    const char *confirmation; /* NULL: a reply */
    size_t count;
};

struct message {
    struct list link;
    redisReply *reply;
};

int redis_conn_open(const struct redis_options *options, int64_t deadline_ms,
                    struct redis_conn **out, struct error *err)
{
    struct redis_target target;
    struct redis_conn *conn;
    int r = redis_target_parse(options->url, &target, err);

    if (r < 0)
        return r;
    conn = xcalloc(1, sizeof(*conn));
    cond_init(&conn->sendable);
    list_init(&conn->messages);
    r = redis_link_open(&conn->link, &target, deadline_ms, err);
    redis_target_deinit(&target);
    if (r < 0)
        free(conn);
    else
        *out = conn;
    return r;
}

static redisReply *take_message(struct redis_conn *conn)
{
    struct list *item = list_pop(&conn->messages);
    struct message *message;
    redisReply *reply;

    if (!item)
        return NULL;
    message = CONTAINER_OF(item, struct message, link);
    reply = message->reply;
    conn->messages_count--;
    free(message);
    return reply;
}

void redis_conn_close(struct redis_conn *conn)
{
    redisReply *reply;

    if (!conn)
        return;
    ASSERT(!conn->reading && !conn->sending);
    while ((reply = take_message(conn)))
        redis_reply_free(reply);
    redis_link_close(&conn->link);
    free(conn);
}

/* The word that confirms a command of the subscribe family; NULL for any other command. */
static const char *confirmation_of(struct text command)
{
    static const char *const words[] = {"subscribe",   "psubscribe",   "ssubscribe",
                                        "unsubscribe", "punsubscribe", "sunsubscribe"};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (text_is_nocase(command, words[i]))
            return words[i];
    return NULL;
}

/* On a subscribed connection: the word of a message or a confirmation, TEXT_NONE for an answer. */
static struct text pushed_word(const struct redis_conn *conn, const redisReply *reply)
{
    struct text word;

    if (!conn->subscribed || reply->type != REDIS_REPLY_ARRAY || reply->elements == 0)
        return TEXT_NONE;
    word = redis_reply_text(reply->element[0]);
    if (text_is(word, "message") || text_is(word, "pmessage") || text_is(word, "smessage") ||
        confirmation_of(word))
        return word;
    return TEXT_NONE;
}

static int keep_message(struct redis_conn *conn, redisReply *reply, struct error *err)
{
    struct message *message;

    if (conn->messages_count >= MESSAGES_KEPT_MAX) {
        redis_reply_free(reply);
        return error_set(err, E_LIMIT, "over %d messages of Redis wait to be read",
                         MESSAGES_KEPT_MAX);
    }
    message = xcalloc(1, sizeof(*message));
    message->reply = reply;
    list_add(&conn->messages, &message->link);
    conn->messages_count++;
    return 0;
}

SUSPENDS static int receive(struct redis_conn *conn, int64_t deadline_ms, redisReply **out,
                            struct error *err)
{
    int r;

    ASSERT(!conn->reading);
    conn->reading = true;
    r = redis_link_receive(&conn->link, deadline_ms, out, err);
    conn->reading = false;
    return r;
}

int redis_conn_send(struct redis_conn *conn, const struct text *argv, size_t argc,
                    int64_t deadline_ms, struct error *err)
{
    CLEANUP(buf_deinit) struct buf out;
    int r = 0;

    buf_init(&out, REDIS_OUTPUT_MAX_BYTES);
    ASSERT(argc > 0);
    if (redis_command_bytes(argv, argc) > REDIS_OUTPUT_MAX_BYTES)
        return error_set(err, E_LIMIT, "a command for Redis is too large");
    while (conn->sending && r == 0)
        r = cond_wait(&conn->sendable, deadline_ms, err);
    if (r < 0)
        return r;
    if (conn->broken) {
        cond_signal(&conn->sendable);
        return error_set(err, E_CLOSED, "the connection to Redis is broken");
    }
    redis_command_add(&out, argv, argc);
    conn->subscribed = conn->subscribed || confirmation_of(argv[0]);
    conn->sending = true;
    r = io_write(conn->link.fd, out.ptr, out.len, deadline_ms, err);
    conn->sending = false;
    cond_signal(&conn->sendable);
    if (r < 0)
        conn->broken = true;
    return r;
}

/* SUBSCRIBE a b is confirmed once for each channel: the last one is its answer. */
SUSPENDS static int receive_answer(struct redis_conn *conn, struct expected expected,
                                   int64_t deadline_ms, redisReply **out, struct error *err)
{
    for (;;) {
        redisReply *reply;
        struct text word;
        int r = receive(conn, deadline_ms, &reply, err);

        if (r == -E_CLOSED)
            return error_set(err, E_AMBIGUOUS,
                             "the connection to Redis broke before the reply came");
        if (r < 0)
            return r;
        word = pushed_word(conn, reply);
        if (word.ptr && expected.confirmation && text_is(word, expected.confirmation)) {
            if (--expected.count > 0) {
                redis_reply_free(reply);
                continue;
            }
            word = TEXT_NONE;
        }
        if (!word.ptr) {
            *out = reply;
            return 0;
        }
        r = keep_message(conn, reply, err);
        if (r < 0)
            return r;
    }
}

int redis_conn_command(struct redis_conn *conn, const struct text *argv, size_t argc,
                       int64_t deadline_ms, redisReply **out_reply, struct error *err)
{
    struct expected expected = {confirmation_of(argv[0]), argc > 1 ? argc - 1 : 1};
    redisReply *reply;
    int r = redis_conn_send(conn, argv, argc, deadline_ms, err);

    if (r == 0)
        r = receive_answer(conn, expected, deadline_ms, &reply, err);
    if (r < 0) {
        conn->broken = true;
        return r;
    }
    r = redis_reply_check(&reply, err);
    if (r == 0 && out_reply)
        *out_reply = reply;
    else
        redis_reply_free(reply);
    return r;
}

int redis_conn_next(struct redis_conn *conn, int64_t deadline_ms, redisReply **out_reply,
                    struct error *err)
{
    redisReply *reply = take_message(conn);
    int r;

    if (!reply) {
        if (conn->broken)
            return error_set(err, E_CLOSED, "the connection to Redis is broken");
        r = receive(conn, deadline_ms, &reply, err);
        if (r < 0) {
            conn->broken = conn->broken || (r != -E_TIMEOUT && r != -E_CANCELED);
            return r;
        }
    }
    r = redis_reply_check(&reply, err);
    if (r == 0)
        *out_reply = reply;
    return r;
}
