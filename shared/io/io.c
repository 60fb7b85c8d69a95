/* Descriptor I/O: try first, and wait for readiness when the kernel says EAGAIN.
 *
 * The watcher lives on the waiting fiber's stack and is stopped before io_wait returns; its
 * callback only notes what is ready and wakes the fiber.
 */

#include "shared/io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <ev.h>

#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"

_Static_assert((int)IO_READ == (int)EV_READ && (int)IO_WRITE == (int)EV_WRITE,
               "libev's event bits");

struct waiter {
    ev_io watcher;
    struct fiber *fiber;
    bool ready;
};

static void on_ready(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct waiter *waiter = CONTAINER_OF(watcher, struct waiter, watcher);

    (void)events;
    ev_io_stop(ev, watcher);
    waiter->ready = true;
    fiber_wake(waiter->fiber);
}

int io_wait(int fd, int events, int64_t deadline_ms, struct error *err)
{
    struct waiter waiter = {.fiber = fiber_self()};
    enum wait_result result = WAIT_WOKEN;

    ASSERT(waiter.fiber);
    ASSERT(fd >= 0);
    ev_io_init(&waiter.watcher, on_ready, fd, events);
    ev_io_start(loop_ev(), &waiter.watcher);
    while (!waiter.ready && result == WAIT_WOKEN)
        result = fiber_wait(events & IO_READ ? "readable" : "writable", deadline_ms);
    ev_io_stop(loop_ev(), &waiter.watcher);
    switch (result) {
    case WAIT_WOKEN:
        return 0;
    case WAIT_TIMEOUT:
        return error_set(err, E_TIMEOUT, "timed out waiting for the peer");
    case WAIT_CANCELED:
        break;
    }
    return error_set(err, E_CANCELED, "cancelled while waiting for the peer");
}

static bool would_block(int error_number)
{
    return error_number == EAGAIN || error_number == EWOULDBLOCK;
}

static int fail(int error_number, const char *what, struct error *err)
{
    if (error_number == ECONNRESET || error_number == EPIPE)
        return error_set(err, E_CLOSED, "the peer closed the connection");
    return error_set_errno(err, error_number, "%s", what);
}

int io_read(int fd, void *to, size_t size, int64_t deadline_ms, size_t *out_len, struct error *err)
{
    for (;;) {
        ssize_t got = read(fd, to, size);
        int r;

        if (got > 0) {
            *out_len = (size_t)got;
            return 0;
        }
        if (got == 0)
            return IO_EOF;
        if (errno == EINTR)
            continue;
        if (!would_block(errno))
            return fail(errno, "read", err);
        r = io_wait(fd, IO_READ, deadline_ms, err);
        if (r < 0)
            return r;
    }
}

int io_write(int fd, const void *from, size_t len, int64_t deadline_ms, struct error *err)
{
    const char *at = from;

    while (len > 0) {
        ssize_t put = write(fd, at, len);
        int r;

        if (put >= 0) {
            at += put;
            len -= (size_t)put;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (!would_block(errno))
            return fail(errno, "write", err);
        r = io_wait(fd, IO_WRITE, deadline_ms, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void set_no_delay(int fd, const struct address *address)
{
    int on = 1;

    if (address->storage.ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int finish_connect(int fd, int64_t deadline_ms, struct error *err)
{
    int reason = 0;
    socklen_t size = sizeof(reason);
    int r = io_wait(fd, IO_WRITE, deadline_ms, err);

    if (r < 0)
        return r;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &size) < 0)
        return error_set_errno(err, errno, "getsockopt");
    errno = reason;
    return reason ? -E_SYSTEM : 0;
}

int io_connect(const struct address *address, int64_t deadline_ms, int *out_fd, struct error *err)
{
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char where[ADDRESS_TEXT_SIZE];
    int r = 0;

    if (fd < 0)
        return error_set_errno(err, errno, "socket");
    set_no_delay(fd, address);
    errno = 0;
    if (connect(fd, (const struct sockaddr *)&address->storage, address->len) < 0) {
        r = -E_SYSTEM;
        if (errno == EINPROGRESS)
            r = finish_connect(fd, deadline_ms, err);
    }
    if (r == 0) {
        *out_fd = fd;
        return 0;
    }
    address_format(address, where);
    if (r == -E_SYSTEM) {
        char reason[80];
        const char *why = strerror_r(errno, reason, sizeof(reason));

        r = error_set(err, E_UNAVAILABLE, "can't connect to %s: %s", where, why);
    } else {
        r = error_wrap(err, "connecting to %s", where);
    }
    close(fd);
    return r;
}

static void remove_stale_socket(const struct address *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;
    struct stat info;

    if (address->storage.ss_family == AF_UNIX && stat(un->sun_path, &info) == 0 &&
        S_ISSOCK(info.st_mode))
        unlink(un->sun_path);
}

int io_listen(const struct address *address, int backlog, int *out_fd, struct error *err)
{
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char where[ADDRESS_TEXT_SIZE];
    int on = 1;
    int r;

    if (fd < 0)
        return error_set_errno(err, errno, "socket");
    address_format(address, where);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    remove_stale_socket(address);
    if (bind(fd, (const struct sockaddr *)&address->storage, address->len) == 0 &&
        listen(fd, backlog) == 0) {
        *out_fd = fd;
        return 0;
    }
    r = error_set_errno(err, errno, "can't listen on %s", where);
    close(fd);
    return r;
}

int io_local_port(int fd)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof(storage);

    if (getsockname(fd, (struct sockaddr *)&storage, &len) < 0)
        return -1;
    if (storage.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&storage)->sin_port);
    if (storage.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&storage)->sin6_port);
    return 0;
}

int io_accept(int listen_fd, int64_t deadline_ms, int *out_fd, struct address *out_peer,
              struct error *err)
{
    for (;;) {
        struct address peer = {.len = sizeof(peer.storage)};
        int fd = accept4(listen_fd, (struct sockaddr *)&peer.storage, &peer.len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        int r;

        if (fd >= 0) {
            set_no_delay(fd, &peer);
            *out_fd = fd;
            *out_peer = peer;
            return 0;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            return error_set(err, E_LIMIT, "can't accept: out of descriptors or memory");
        if (!would_block(errno))
            return error_set_errno(err, errno, "accept");
        r = io_wait(listen_fd, IO_READ, deadline_ms, err);
        if (r < 0)
            return r;
    }
}

void io_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int io_raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > INT32_MAX ? INT32_MAX : (int)limit.rlim_cur;
}
