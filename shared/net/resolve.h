#pragma once
/* Name resolution on the offload pool, since getaddrinfo blocks. */

#include "shared/base/compiler.h"
#include "shared/io/io.h"

struct error;

#define RESOLVE_MAX_ADDRESSES 16

struct resolved {
    struct address addresses[RESOLVE_MAX_ADDRESSES];
    size_t count; /* at least 1 on success */
};

/* Resolves a host name or numeric address (IPv4 and IPv6, stream sockets), or takes a unix path
 * ('/…') as it is. Addresses come in the system's order of preference; those beyond
 * RESOLVE_MAX_ADDRESSES are left out. localhost is 127.0.0.1, then ::1, whatever the system says.
 * Returns 0; -E_INVALID for a port out of range or a path that is too long; -E_NOT_FOUND when the
 * name has no address; -E_UNAVAILABLE when the resolver can't be reached or too many lookups wait
 * already; -E_TIMEOUT, -E_CANCELED. *out is untouched on failure. */
SUSPENDS MUSTCHECK int resolve_host(const char *host, int port, int64_t deadline_ms,
                                    struct resolved *out, struct error *err);

/* The same for a name that a model or a user chose, whose name servers may be slow on purpose: it
 * never holds up resolve_host. */
SUSPENDS MUSTCHECK int resolve_foreign_host(const char *host, int port, int64_t deadline_ms,
                                            struct resolved *out, struct error *err);
