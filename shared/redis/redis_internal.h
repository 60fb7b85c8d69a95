#pragma once
/* What the files of this folder share: where Redis is, the reply parser, and one link to it. Nobody
 * else includes it. */

#include "shared/base/clock.h"
#include "shared/redis/redis.h"

#define REDIS_COMMAND_TIMEOUT_MS 1500
#define REDIS_QUEUE_MAX          100000
#define REDIS_OUTPUT_MAX_BYTES   ((size_t)64 << 20)
#define REDIS_REPLY_MAX_BYTES    ((size_t)64 << 20)
#define REDIS_REPLY_MAX_ELEMENTS ((size_t)1 << 20)

/* redis_target.c: a url taken apart. Process or connection lifetime; texts are on the heap. */
struct redis_target {
    char *host; /* a name, a numeric address, or the path of a unix socket */
    int port;
    char *user;     /* NULL: none */
    char *password; /* NULL: no AUTH */
    int db;
};

/* Returns 0 or -E_INVALID. On success the target is the caller's to deinit. */
MUSTCHECK int redis_target_parse(const char *url, struct redis_target *out, struct error *err);
void redis_target_deinit(struct redis_target *target);

/* redis_parser.c: bytes in, replies out, within limits. */
struct redis_parser {
    redisReader *reader;
    redisReplyObjectFunctions functions; /* hiredis's own, with a counting createArray */
    redisReplyObjectFunctions original;
    size_t bytes;    /* fed since the last complete reply */
    size_t elements; /* of the arrays of the reply in the making */
};

enum { REDIS_PARSER_MORE = 1 };

void redis_parser_init(struct redis_parser *parser);
void redis_parser_deinit(struct redis_parser *parser);

/* Returns 0, or -E_LIMIT when a reply is larger than it may be. */
MUSTCHECK int redis_parser_feed(struct redis_parser *parser, const char *bytes, size_t len,
                                struct error *err);

/* Returns 0 with *out (the caller's), REDIS_PARSER_MORE when no whole reply is there, or
 * -E_PROTOCOL. */
MUSTCHECK int redis_parser_next(struct redis_parser *parser, redisReply **out, struct error *err);

/* redis_link.c: one socket, greeted and authenticated. */
struct redis_link {
    int fd; /* -1: closed */
    struct redis_parser parser;
    char *in;
    unsigned reads;
};

/* Connects, AUTH, SELECT, PING. Returns 0; -E_UNAVAILABLE, -E_TIMEOUT, -E_DENIED (wrong or missing
 * password), -E_REJECTED (no such database), -E_PROTOCOL, -E_CANCELED. The link is closed then. */
SUSPENDS MUSTCHECK int redis_link_open(struct redis_link *link, const struct redis_target *target,
                                       int64_t deadline_ms, struct error *err);
void redis_link_close(struct redis_link *link);

/* The next reply, error replies included. Returns 0 with *out (the caller's), -E_CLOSED,
 * -E_PROTOCOL, -E_LIMIT; after -E_TIMEOUT and -E_CANCELED the link is as it was. */
SUSPENDS MUSTCHECK int redis_link_receive(struct redis_link *link, int64_t deadline_ms,
                                          redisReply **out, struct error *err);

/* redis_reply.c */
size_t redis_command_bytes(const struct text *argv, size_t argc); /* an upper bound */
void redis_command_add(struct buf *out, const struct text *argv, size_t argc);

/* 0, or -E_REJECTED with the text of an error reply, which is freed and *reply set to NULL. */
MUSTCHECK int redis_reply_check(redisReply **reply, struct error *err);
