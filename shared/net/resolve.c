/* Name resolution on the offload pool.
 *
 * What is numeric already never leaves the fiber; a name becomes a heap job that a pool thread runs
 * through getaddrinfo. The caller may give up at any time: the job holds copies of all it needs,
 * and the pool frees it when getaddrinfo returns at last. What is left out on purpose: a cache (the
 * callers that repeat themselves, libcurl and the pools, keep connections or caches of their own)
 * and AI_ADDRCONFIG (on a machine with nothing but loopback it hides what /etc/hosts says).
 *
 * localhost and what ends in .localhost is never looked up (RFC 6761, section 6.3): some machines
 * have no such line in /etc/hosts, some resolvers answer with other addresses, and whoever listens
 * at one loopback address alone mostly does so at the IPv4 one, which therefore comes first.
 */

#include "shared/net/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/offload.h"

#define HOST_MAX_LENGTH 253 /* RFC 1035, section 2.3.4, without the final dot */

struct lookup {
    struct offload_job job;
    char host[HOST_MAX_LENGTH + 1];
    char port[8];
    int result; /* of getaddrinfo */
    int errno_value;
    struct resolved resolved;
};

static struct lookup *lookup_of(struct offload_job *job)
{
    return CONTAINER_OF(job, struct lookup, job);
}

static void collect(const struct addrinfo *list, struct resolved *out)
{
    for (; list && out->count < RESOLVE_MAX_ADDRESSES; list = list->ai_next) {
        struct address *address = &out->addresses[out->count];

        if (list->ai_family != AF_INET && list->ai_family != AF_INET6)
            continue;
        ASSERT(list->ai_addrlen <= sizeof(address->storage));
        memcpy(&address->storage, list->ai_addr, list->ai_addrlen);
        address->len = list->ai_addrlen;
        out->count++;
    }
}

/* On a pool thread. */
static void run_lookup(struct offload_job *job)
{
    struct lookup *lookup = lookup_of(job);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;

    lookup->result = getaddrinfo(lookup->host, lookup->port, &hints, &list);
    lookup->errno_value = errno;
    if (lookup->result != 0)
        return;
    collect(list, &lookup->resolved);
    freeaddrinfo(list);
}

static void free_lookup(struct offload_job *job)
{
    free(lookup_of(job));
}

static int check_result(const struct lookup *lookup, struct error *err)
{
    if (lookup->result == 0 && lookup->resolved.count > 0)
        return 0;
    switch (lookup->result) {
    case 0:
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return error_set(err, E_NOT_FOUND, "the host name '%s' has no address", lookup->host);
    case EAI_SYSTEM:
        return error_set(err, E_UNAVAILABLE, "can't resolve '%s': %s", lookup->host,
                         strerrordesc_np(lookup->errno_value));
    default:
        return error_set(err, E_UNAVAILABLE, "can't resolve '%s': %s", lookup->host,
                         gai_strerror(lookup->result));
    }
}

static int look_up(const char *host, int port, bool foreign, int64_t deadline_ms,
                   struct resolved *out, struct error *err)
{
    struct lookup *lookup = xcalloc(1, sizeof(*lookup));
    int r;

    lookup->job =
        (struct offload_job){.run = run_lookup, .free_job = free_lookup, .foreign = foreign};
    snprintf(lookup->host, sizeof(lookup->host), "%s", host);
    snprintf(lookup->port, sizeof(lookup->port), "%d", port);
    r = offload_run(&lookup->job, deadline_ms, err);
    if (r == -E_LIMIT)
        return error_set(err, E_UNAVAILABLE, "too many names wait to be resolved already");
    if (r < 0) {
        error_wrap(err, "resolving '%s'", host);
        return r;
    }
    r = check_result(lookup, err);
    if (r == 0)
        *out = lookup->resolved;
    free(lookup);
    return r;
}

static bool is_localhost(const char *host)
{
    static const char name[] = "localhost";
    size_t len = strlen(host);

    if (len > 0 && host[len - 1] == '.')
        len--;
    if (len < sizeof(name) - 1 ||
        strncasecmp(host + len - (sizeof(name) - 1), name, sizeof(name) - 1))
        return false;
    return len == sizeof(name) - 1 || host[len - sizeof(name)] == '.';
}

static int loopback(int port, struct resolved *out, struct error *err)
{
    struct resolved resolved = {.count = 2};
    int r = address_parse("127.0.0.1", port, &resolved.addresses[0], err);

    if (r == 0)
        r = address_parse("::1", port, &resolved.addresses[1], err);
    if (r == 0)
        *out = resolved;
    return r;
}

static int find(const char *host, int port, bool foreign, int64_t deadline_ms, struct resolved *out,
                struct error *err)
{
    struct address address;

    if (port < 0 || port > 65535)
        return error_set(err, E_INVALID, "port %d is not between 0 and 65535", port);
    if (address_parse(host, port, &address, NULL) == 0) {
        out->addresses[0] = address;
        out->count = 1;
        return 0;
    }
    if (host[0] == '/')
        return error_set(err, E_INVALID, "the socket path is too long: %s", host);
    if (host[0] == '\0')
        return error_set(err, E_NOT_FOUND, "an empty host name has no address");
    if (strlen(host) > HOST_MAX_LENGTH)
        return error_set(err, E_NOT_FOUND, "a host name has at most %d characters",
                         HOST_MAX_LENGTH);
    if (is_localhost(host))
        return loopback(port, out, err);
    return look_up(host, port, foreign, deadline_ms, out, err);
}

int resolve_host(const char *host, int port, int64_t deadline_ms, struct resolved *out,
                 struct error *err)
{
    return find(host, port, false, deadline_ms, out, err);
}

int resolve_foreign_host(const char *host, int port, int64_t deadline_ms, struct resolved *out,
                         struct error *err)
{
    return find(host, port, true, deadline_ms, out, err);
}
