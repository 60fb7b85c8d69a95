#pragma once
/* Redis for fibers: one pipelined connection that all fibers share, dedicated connections for
 * blocking reads and for subscriptions, scripts by SHA. RESP2; works with hiredis 0.14 and 1.x and
 * Redis 6.2 or later.
 *
 * Commands of one turn of the loop leave in one write; each fiber is woken with its own reply. When
 * the connection breaks, everything in flight fails with -E_AMBIGUOUS, so commands must be
 * idempotent or their loss harmless; a new connection is made with capped, jittered backoff. An
 * exchange that was cut short by a time-out on a dedicated connection closes it.
 */

#include <hiredis/hiredis.h>

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;
struct redis;
struct redis_conn;

struct redis_options {
    /* redis://[user:password@]host[:port][/db] or unix://[user:password@]/path[?db=n]; a password
     * alone is ":password@"; special characters as %XX. Borrowed during the call. */
    const char *url;
    int64_t command_timeout_ms; /* waiting for the connection and the reply; default 1 500 */
    size_t queue_max;           /* commands waiting at most, else -E_UNAVAILABLE; default 100 000 */
};

/* Starts connecting in the background. Returns 0 or -E_INVALID for a malformed url. */
MUSTCHECK int redis_open(const struct redis_options *options, struct redis **out,
                         struct error *err);

/* Sends what was posted, fails what is in flight (-E_AMBIGUOUS) and frees. Accepts NULL. No fiber
 * may come to use it afterwards. */
SUSPENDS void redis_close(struct redis *redis);

/* Returns 0; -E_TIMEOUT with the reason in the text; -E_DENIED at once when the last attempt failed
 * for its password; -E_CANCELED. */
SUSPENDS MUSTCHECK int redis_wait_ready(struct redis *redis, int64_t deadline_ms,
                                        struct error *err);
bool redis_is_ready(const struct redis *redis);

/* One command; argv are binary-safe texts. *out_reply (may be NULL if not wanted) is the caller's
 * to redis_reply_free. Returns 0; -E_UNAVAILABLE (not connected: not sent); -E_AMBIGUOUS;
 * -E_TIMEOUT; -E_REJECTED (an error reply; its text, which begins with the word such as WRONGTYPE
 * or NOGROUP, is the error's text); -E_CANCELED. While disconnected it fails at once with
 * -E_UNAVAILABLE: Redis is optional by design, so nobody queues up for it. */
SUSPENDS MUSTCHECK int redis_command(struct redis *redis, const struct text *argv, size_t argc,
                                     redisReply **out_reply, struct error *err);

/* As redis_command, without waiting and without an outcome; dropped while disconnected. */
void redis_post(struct redis *redis, const struct text *argv, size_t argc);

/* A script is a static variable; its SHA is computed on first use. Runs by EVALSHA, loads it again
 * on NOSCRIPT. */
struct redis_script {
    const char *name;
    const char *lua;
    char sha[41];
};
SUSPENDS MUSTCHECK int redis_script(struct redis *redis, struct redis_script *script,
                                    const struct text *keys, size_t keys_count,
                                    const struct text *args, size_t args_count,
                                    redisReply **out_reply, struct error *err);

/* As redis_script, without waiting and without an outcome: dropped while disconnected, and where
 * Redis does not know the script, which somebody else has to have run. */
void redis_post_script(struct redis *redis, struct redis_script *script, const struct text *keys,
                       size_t keys_count, const struct text *args, size_t args_count);

void redis_reply_free(redisReply *reply);
void redis_reply_freep(redisReply **reply);
struct text redis_reply_text(const redisReply *reply); /* string or status; TEXT_NONE otherwise */

/* A connection of its own, for blocking commands and subscriptions, with TCP_USER_TIMEOUT. Returns
 * 0 with *out (the caller's to close), -E_UNAVAILABLE, -E_TIMEOUT, -E_DENIED (authentication),
 * -E_REJECTED (no such database), -E_INVALID (the url), -E_PROTOCOL, -E_CANCELED. */
SUSPENDS MUSTCHECK int redis_conn_open(const struct redis_options *options, int64_t deadline_ms,
                                       struct redis_conn **out, struct error *err);
void redis_conn_close(struct redis_conn *conn); /* accepts NULL */

/* Send and wait for the reply until the deadline. Any failure but -E_REJECTED breaks the
 * connection: close it (-E_CLOSED: nothing was sent; -E_AMBIGUOUS: no reply came; -E_TIMEOUT,
 * -E_PROTOCOL, -E_LIMIT, -E_CANCELED). A nil reply (BLOCK elapsed) is 0 with a reply of type
 * REDIS_REPLY_NIL. SUBSCRIBE returns when all its channels are confirmed. Messages that arrive
 * meanwhile are kept for redis_conn_next. One fiber at a time is in redis_conn_command or
 * redis_conn_next. */
SUSPENDS MUSTCHECK int redis_conn_command(struct redis_conn *conn, const struct text *argv,
                                          size_t argc, int64_t deadline_ms, redisReply **out_reply,
                                          struct error *err);

/* The next pushed message after SUBSCRIBE: an array whose first element is "message" (then channel
 * and payload) or the word of a confirmation. -E_TIMEOUT and -E_CANCELED leave the connection
 * usable; -E_CLOSED, -E_PROTOCOL and -E_LIMIT do not. */
SUSPENDS MUSTCHECK int redis_conn_next(struct redis_conn *conn, int64_t deadline_ms,
                                       redisReply **out_reply, struct error *err);
/* Send without waiting for a reply (SUBSCRIBE while another fiber waits in redis_conn_next). */
SUSPENDS MUSTCHECK int redis_conn_send(struct redis_conn *conn, const struct text *argv,
                                       size_t argc, int64_t deadline_ms, struct error *err);
