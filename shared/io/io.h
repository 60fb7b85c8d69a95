#pragma once
/* Descriptor I/O for fibers, with deadlines (clock_ms; DEADLINE_NONE for none).
 *
 * Descriptors are non-blocking. At most one fiber waits for reading and one for writing on a
 * descriptor at a time. Every function returns -E_TIMEOUT and -E_CANCELED besides what it lists.
 * A descriptor must not be closed while a fiber waits on it: cancel the fiber first.
 */

#include <sys/socket.h>

#include "shared/base/compiler.h"

struct error;

enum { IO_READ = 1, IO_WRITE = 2 };
enum { IO_EOF = 1 };

/* An address to connect to or that a peer has. */
struct address {
    struct sockaddr_storage storage;
    socklen_t len;
};

#define ADDRESS_TEXT_SIZE 128

/* "127.0.0.1:8080", "[::1]:8080", "unix:/path". */
void address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE]);

/* Numeric hosts only ("127.0.0.1", "::1"), or a unix socket path beginning with '/'. Never
 * resolves. Returns 0 or -E_INVALID. */
MUSTCHECK int address_parse(const char *host, int port, struct address *out, struct error *err);

/* Waits until the descriptor is ready for `events` (IO_READ, IO_WRITE or both). Returns 0. */
SUSPENDS MUSTCHECK int io_wait(int fd, int events, int64_t deadline_ms, struct error *err);

/* Reads at least one byte. Returns 0 with *out_len > 0, IO_EOF, or -E_CLOSED when the peer reset
 * the connection. */
SUSPENDS MUSTCHECK int io_read(int fd, void *to, size_t size, int64_t deadline_ms, size_t *out_len,
                               struct error *err);

/* Writes all of it. Returns 0, or -E_CLOSED when the peer has gone. */
SUSPENDS MUSTCHECK int io_write(int fd, const void *from, size_t len, int64_t deadline_ms,
                                struct error *err);

/* A connected stream socket, close-on-exec and (TCP) TCP_NODELAY. Returns 0 with *out_fd, which is
 * the caller's to close; -E_UNAVAILABLE when refused or unreachable. */
SUSPENDS MUSTCHECK int io_connect(const struct address *address, int64_t deadline_ms, int *out_fd,
                                  struct error *err);

/* A listening socket, with SO_REUSEADDR; a stale unix socket file is removed first. Port 0 takes a
 * free one: see io_local_port. Does not suspend. */
MUSTCHECK int io_listen(const struct address *address, int backlog, int *out_fd, struct error *err);
int io_local_port(int fd);

/* Accepts one connection. Returns 0 with *out_fd (the caller's) and *out_peer; -E_LIMIT when the
 * process is out of descriptors (wait a little, then try again). */
SUSPENDS MUSTCHECK int io_accept(int listen_fd, int64_t deadline_ms, int *out_fd,
                                 struct address *out_peer, struct error *err);

/* Close unless negative, and set to -1. For CLEANUP too. */
void io_close(int *fd);

/* Raise the soft limit of descriptors to the hard one; returns the limit in force. */
int io_raise_descriptor_limit(void);
