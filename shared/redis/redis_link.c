/* One link to Redis: resolve, connect, AUTH, SELECT, PING; then replies as they come.
 *
 * PING makes sure that commands will be served: a server that still loads its data or wants a
 * password says so here and not to the first command. The link is RESP2 for good (HELLO is never
 * sent). TCP links get keepalive and TCP_USER_TIMEOUT, so that a host that vanished is noticed in
 * seconds and not after the kernel's quarter of an hour.
 */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/io/io.h"
#include "shared/net/resolve.h"
#include "shared/redis/redis_internal.h"

#define READ_BYTES         ((size_t)16 << 10)
#define READS_BEFORE_YIELD 16
#define USER_TIMEOUT_MS    5000
#define KEEPALIVE_IDLE_S   10
#define KEEPALIVE_STEP_S   5
#define KEEPALIVE_TRIES    3

static void set_tcp_options(int fd, const struct address *address)
{
    const struct {
        int level, option, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_STEP_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_TRIES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
    };

    if (address->storage.ss_family == AF_UNIX)
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++)
        setsockopt(fd, options[i].level, options[i].option, &options[i].value,
                   sizeof(options[i].value));
}

SUSPENDS static int resolve(const struct redis_target *target, int64_t deadline_ms,
                            struct resolved *out, struct error *err)
{
    int r;

    if (address_parse(target->host, target->port, &out->addresses[0], NULL) == 0) {
        out->count = 1;
        return 0;
    }
    r = resolve_host(target->host, target->port, deadline_ms, out, err);
    if (r == -E_NOT_FOUND)
        return error_set(err, E_UNAVAILABLE, "the host %s of Redis has no address", target->host);
    return r;
}

/* Each address in turn gets its share of the time that is left. */
SUSPENDS static int connect_any(const struct resolved *where, int64_t deadline_ms, int *out_fd,
                                struct error *err)
{
    int r = error_set(err, E_UNAVAILABLE, "no address of Redis to connect to");

    for (size_t i = 0; i < where->count; i++) {
        int64_t now_ms = clock_ms();
        int64_t share_ms = deadline_ms;

        if (deadline_ms != DEADLINE_NONE && deadline_ms > now_ms)
            share_ms = now_ms + (deadline_ms - now_ms) / (int64_t)(where->count - i);
        r = io_connect(&where->addresses[i], share_ms, out_fd, err);
        if (r == 0)
            set_tcp_options(*out_fd, &where->addresses[i]);
        if (r == 0 || r == -E_CANCELED)
            break;
    }
    return r;
}

SUSPENDS static int exchange(struct redis_link *link, const struct text *argv, size_t argc,
                             int64_t deadline_ms, struct error *err)
{
    CLEANUP(buf_deinit) struct buf out;
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    int r;

    buf_init(&out, 0);
    redis_command_add(&out, argv, argc);
    r = buf_check(&out, err);
    if (r == 0)
        r = io_write(link->fd, out.ptr, out.len, deadline_ms, err);
    if (out.ptr)
        explicit_bzero(out.ptr, out.len);
    if (r == 0)
        r = redis_link_receive(link, deadline_ms, &reply, err);
    if (r == 0)
        r = redis_reply_check(&reply, err);
    return r;
}

static bool begins_with_any(const char *string, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_starts(text_of(string), words[i]))
            return true;
    return false;
}

/* What an error reply to the greeting means. */
static int classify(struct error *err)
{
    static const char *const denied[] = {"NOAUTH",   "WRONGPASS",
                                         "NOPERM",   "ERR invalid password",
                                         "ERR AUTH", "ERR Client sent AUTH"};
    static const char *const later[] = {"LOADING", "MASTERDOWN", "BUSY", "CLUSTERDOWN"};

    if (begins_with_any(err->text, denied, ARRAY_LENGTH(denied))) {
        err->code = E_DENIED;
        return error_wrap(err, "Redis refused to let us in");
    }
    if (begins_with_any(err->text, later, ARRAY_LENGTH(later))) {
        err->code = E_UNAVAILABLE;
        return error_wrap(err, "Redis is not ready yet");
    }
    return error_wrap(err, "Redis refused the connection");
}

SUSPENDS static int greet(struct redis_link *link, const struct redis_target *target,
                          int64_t deadline_ms, struct error *err)
{
    int r = 0;

    if (target->password) {
        struct text auth[3] = {TEXT("AUTH")};
        size_t argc = 1;

        if (target->user)
            auth[argc++] = text_of(target->user);
        auth[argc++] = text_of(target->password);
        r = exchange(link, auth, argc, deadline_ms, err);
    }
    if (r == 0 && target->db > 0) {
        char number[16];
        struct text select[] = {TEXT("SELECT"), {number, 0}};

        select[1].len = (size_t)snprintf(number, sizeof(number), "%d", target->db);
        r = exchange(link, select, 2, deadline_ms, err);
    }
    if (r == 0) {
        struct text ping[] = {TEXT("PING")};

        r = exchange(link, ping, 1, deadline_ms, err);
    }
    if (r == -E_REJECTED)
        return classify(err);
    if (r == -E_CLOSED)
        return error_set(err, E_UNAVAILABLE, "Redis closed the connection at once");
    if (r == -E_TIMEOUT)
        return error_set(err, E_TIMEOUT, "Redis did not answer the greeting in time");
    return r;
}

int redis_link_open(struct redis_link *link, const struct redis_target *target, int64_t deadline_ms,
                    struct error *err)
{
    struct resolved where;
    struct error own; /* classify() reads the text, so there must be one */
    int r;

    *link = (struct redis_link){.fd = -1};
    r = resolve(target, deadline_ms, &where, &own);
    if (r == 0)
        r = connect_any(&where, deadline_ms, &link->fd, &own);
    if (r == 0) {
        redis_parser_init(&link->parser);
        link->in = xmalloc(READ_BYTES);
        r = greet(link, target, deadline_ms, &own);
    }
    if (r == 0)
        return 0;
    redis_link_close(link);
    if (err)
        *err = own;
    return r;
}

void redis_link_close(struct redis_link *link)
{
    io_close(&link->fd);
    redis_parser_deinit(&link->parser);
    free(link->in);
    link->in = NULL;
}

int redis_link_receive(struct redis_link *link, int64_t deadline_ms, redisReply **out,
                       struct error *err)
{
    for (;;) {
        int r = redis_parser_next(&link->parser, out, err);
        size_t len;

        if (r != REDIS_PARSER_MORE)
            return r;
        /* A peer that always has more to say must not hold the loop. */
        if (++link->reads % READS_BEFORE_YIELD == 0)
            fiber_yield();
        r = io_read(link->fd, link->in, READ_BYTES, deadline_ms, &len, err);
        if (r == IO_EOF)
            return error_set(err, E_CLOSED, "Redis closed the connection");
        if (r == 0)
            r = redis_parser_feed(&link->parser, link->in, len, err);
        if (r < 0)
            return r;
    }
}
