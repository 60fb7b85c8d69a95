#pragma once
/* Name resolution on the offload pool, since getaddrinfo blocks. */

#include "shared/base/compiler.h"
#include "shared/io/io.h"

#define RESOLVE_MAX_ADDRESSES 16

struct resolved {
    struct address addresses[RESOLVE_MAX_ADDRESSES];
    size_t count; /* at least 1 on success */
};

/* Resolves a host name or numeric address (IPv4 and IPv6, stream sockets), or takes a unix path
 * ('/…') as it is. Returns 0, -E_NOT_FOUND when the name has no address, -E_UNAVAILABLE when the
 * resolver can't be reached, -E_TIMEOUT, -E_CANCELED. */
SUSPENDS MUSTCHECK int resolve_host(const char *host, int port, int64_t deadline_ms,
                                    struct resolved *out, struct error *err);
