#pragma once
/* The SSRF guard: which addresses a URL chosen by a user or a model may lead to.
 *
 * Refuses everything that is not globally routable: loopback, private, link-local (which holds the
 * cloud metadata addresses), carrier-grade NAT, multicast, broadcast, unspecified, documentation,
 * benchmarking and reserved ranges, the anycast services that the nearest device answers, and the
 * IPv6 forms that embed an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo), judged by what
 * they embed. Source: the IANA special-purpose address registries (RFC 6890 and its updates).
 */

#include "shared/base/compiler.h"
#include "shared/io/io.h"
#include "shared/net/resolve.h"

struct error;

struct guard_options {
    /* "host:port" or "address/prefix" entries that are allowed in spite of being private; for
     * operators who mean it, and for tests. A host is the name that guard_resolve is given, in any
     * case, or the address as address_format writes it ("127.0.0.1:80", "[::1]:80"). A prefix holds
     * for an IPv4-mapped IPv6 address too. */
    const char *const *exceptions;
    size_t exceptions_count;
};

/* Whether an entry is one of the two forms above. Pure. Returns 0, or -E_INVALID with what is wrong
 * (for whoever reads the configuration); entries that are neither match nothing. */
MUSTCHECK int guard_check_exception(const char *entry, struct error *err);

/* Pure. Returns 0, or -E_DENIED with which address and why. `options` may be NULL. */
MUSTCHECK int guard_check_address(const struct guard_options *options,
                                  const struct address *address, struct error *err);

/* Resolve `host` (IPv6 without brackets) and check every address found; all must pass. *out has
 * those to pin, in the system's order of preference. Returns 0, -E_DENIED, or what resolve_host
 * returns. Unix paths are refused. */
SUSPENDS MUSTCHECK int guard_resolve(const struct guard_options *options, const char *host,
                                     int port, int64_t deadline_ms, struct resolved *out,
                                     struct error *err);

/* The same for a host that a model or a tenant names, who is not told what internal names resolve
 * to: *err has words for that. Returns as guard_resolve, but -E_INVALID for a host that is none. */
SUSPENDS MUSTCHECK int guard_resolve_named(const struct guard_options *options, const char *host,
                                           int port, int64_t deadline_ms, struct resolved *out,
                                           struct error *err);
