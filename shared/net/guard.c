/* The SSRF guard.
 *
 * Two tables of special ranges, each with the reason that the caller reads. An IPv4 address passes
 * when no row holds it. An IPv6 address that embeds IPv4 is judged by what it embeds; any other
 * passes only inside 2000::/3, all that IANA has given out as global unicast, and when no row holds
 * it. Whatever IANA gives out in future for special use outside 2000::/3 is thus refused already;
 * a new special range inside is one row here and one in the test.
 *
 * The check works on the address that will be connected to, never on the text of a URL: decimal,
 * octal and hexadecimal spellings have become plain addresses by then, and a name that changes its
 * address between the check and the connection (DNS rebinding) is met by pinning the checked one.
 *
 * Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890); multicast RFC 5771 and
 * RFC 4291; NAT64 RFC 6052 and RFC 8215; 6to4 RFC 3056; Teredo RFC 4380; site-local RFC 3879.
 */

#include "shared/net/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "shared/base/error.h"
#include "shared/base/text.h"

struct range4 {
    uint32_t network;
    int prefix;
    const char *what;
};

struct range6 {
    uint8_t network[16];
    int prefix;
    const char *what;
};

#define V4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

static const struct range4 special4[] = {
    {V4(0, 0, 0, 0), 8, "this network"},
    {V4(10, 0, 0, 0), 8, "private"},
    {V4(100, 64, 0, 0), 10, "carrier-grade NAT"},
    {V4(127, 0, 0, 0), 8, "loopback"},
    {V4(169, 254, 0, 0), 16, "link-local, cloud metadata"},
    {V4(172, 16, 0, 0), 12, "private"},
    {V4(192, 0, 0, 0), 24, "IETF protocol assignments"},
    {V4(192, 0, 2, 0), 24, "documentation"},
    {V4(192, 31, 196, 0), 24, "AS112 anycast"},
    {V4(192, 52, 193, 0), 24, "AMT anycast"},
    {V4(192, 88, 99, 0), 24, "6to4 relay anycast"},
    {V4(192, 168, 0, 0), 16, "private"},
    {V4(192, 175, 48, 0), 24, "AS112 anycast"},
    {V4(198, 18, 0, 0), 15, "benchmarking"},
    {V4(198, 51, 100, 0), 24, "documentation"},
    {V4(203, 0, 113, 0), 24, "documentation"},
    {V4(224, 0, 0, 0), 4, "multicast"},
    {V4(240, 0, 0, 0), 4, "reserved or broadcast"},
};

static const struct range6 special6[] = {
    {{0x20, 0x01}, 23, "IETF protocol assignments"},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation"},
    {{0x26, 0x20, 0x00, 0x4f, 0x80, 0x00}, 48, "AS112 anycast"},
    {{0x3f, 0xff}, 20, "documentation"},
    /* Outside 2000::/3 only for a better reason than "reserved". */
    {{[15] = 1}, 128, "loopback"},
    {{0}, 128, "unspecified"},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, "local NAT64"},
    {{0x01, 0x00}, 64, "discard only"},
    {{0x01, 0x00, [7] = 1}, 64, "dummy prefix"},
    {{0x5f, 0x00}, 16, "segment routing"},
    {{0xfc, 0x00}, 7, "unique local"},
    {{0xfe, 0x80}, 10, "link-local"},
    {{0xfe, 0xc0}, 10, "site-local"},
    {{0xff, 0x00}, 8, "multicast"},
};

static const uint8_t compatible[16] = {0};                    /* ::/96 */
static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */
static const uint8_t nat64[16] = {0x00, 0x64, 0xff, 0x9b};    /* 64:ff9b::/96 */
static const uint8_t sixtofour[16] = {0x20, 0x02};            /* 2002::/16 */
static const uint8_t teredo[16] = {0x20, 0x01, 0x00, 0x00};   /* 2001::/32 */
static const uint8_t global_unicast[16] = {0x20};             /* 2000::/3 */

static bool bits_equal(const uint8_t *a, const uint8_t *b, int bits)
{
    int bytes = bits / 8;
    int rest = bits % 8;

    if (memcmp(a, b, (size_t)bytes) != 0)
        return false;
    return rest == 0 || (a[bytes] ^ b[bytes]) >> (8 - rest) == 0;
}

static uint32_t read4(const uint8_t *bytes)
{
    return V4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

/* What is special about it, or NULL. */
static const char *judge4(uint32_t address)
{
    for (size_t i = 0; i < ARRAY_LENGTH(special4); i++) {
        uint32_t mask = ~(uint32_t)0 << (32 - special4[i].prefix);

        if ((address & mask) == special4[i].network)
            return special4[i].what;
    }
    return NULL;
}

static const char *judge6_plain(const uint8_t *bytes)
{
    for (size_t i = 0; i < ARRAY_LENGTH(special6); i++)
        if (bits_equal(bytes, special6[i].network, special6[i].prefix))
            return special6[i].what;
    return bits_equal(bytes, global_unicast, 3) ? NULL : "reserved";
}

static const char *judge6(const uint8_t *bytes)
{
    const char *what;

    if (bits_equal(bytes, compatible, 96) && read4(bytes + 12) > 1)
        return judge4(read4(bytes + 12));
    if (bits_equal(bytes, mapped, 96) || bits_equal(bytes, nat64, 96))
        return judge4(read4(bytes + 12));
    if (bits_equal(bytes, sixtofour, 16))
        return judge4(read4(bytes + 2));
    if (bits_equal(bytes, teredo, 32)) {
        /* The server, and the client with its bits inverted (RFC 4380, section 4). */
        what = judge4(read4(bytes + 4));
        return what ? what : judge4(~read4(bytes + 12));
    }
    return judge6_plain(bytes);
}

static const char *judge(const struct address *address)
{
    switch (address->storage.ss_family) {
    case AF_INET:
        return judge4(ntohl(((const struct sockaddr_in *)&address->storage)->sin_addr.s_addr));
    case AF_INET6:
        return judge6(((const struct sockaddr_in6 *)&address->storage)->sin6_addr.s6_addr);
    default:
        return "no internet address";
    }
}

/* The bytes of an IP address as 16, IPv4 in its mapped form; false for other families. */
static bool as_sixteen(const struct address *address, uint8_t out[16])
{
    if (address->storage.ss_family == AF_INET) {
        memcpy(out, mapped, 12);
        memcpy(out + 12, &((const struct sockaddr_in *)&address->storage)->sin_addr, 4);
        return true;
    }
    if (address->storage.ss_family != AF_INET6)
        return false;
    memcpy(out, &((const struct sockaddr_in6 *)&address->storage)->sin6_addr, 16);
    return true;
}

/* Parse "address/prefix"; the prefix counts from the front of the 16-byte form. */
static bool parse_network(struct text entry, uint8_t out_network[16], int *out_prefix)
{
    struct text host;
    struct text bits;
    struct address address;
    char host_text[INET6_ADDRSTRLEN + 1];
    int64_t prefix;
    bool is4;

    if (!text_cut(entry, '/', &host, &bits) || host.len == 0 || host.len >= sizeof(host_text))
        return false;
    memcpy(host_text, host.ptr, host.len);
    host_text[host.len] = '\0';
    if (address_parse(host_text, 0, &address, NULL) < 0 || !as_sixteen(&address, out_network))
        return false;
    is4 = address.storage.ss_family == AF_INET;
    if (!text_to_int(bits, &prefix) || prefix < 0 || prefix > (is4 ? 32 : 128))
        return false;
    *out_prefix = (int)prefix + (is4 ? 96 : 0);
    return true;
}

/* Split "host:port" at its last colon. A host with colons of its own must wear brackets. */
static bool parse_host_port(struct text entry, struct text *out_host, int *out_port)
{
    size_t at = entry.len;
    int64_t port;
    struct text host;

    while (at > 0 && entry.ptr[at - 1] != ':')
        at--;
    if (at < 2)
        return false;
    host = (struct text){entry.ptr, at - 1};
    if (!text_to_int((struct text){entry.ptr + at, entry.len - at}, &port) || port < 1 ||
        port > 65535)
        return false;
    if (host.ptr[0] != '[' && memchr(host.ptr, ':', host.len))
        return false;
    *out_host = host;
    *out_port = (int)port;
    return true;
}

static bool network_holds(const char *entry, const struct address *address)
{
    uint8_t network[16];
    uint8_t bytes[16];
    int prefix;

    return parse_network(text_of(entry), network, &prefix) && as_sixteen(address, bytes) &&
           bits_equal(network, bytes, prefix);
}

static bool address_is_exception(const struct guard_options *options, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    address_format(address, text);
    for (size_t i = 0; options && i < options->exceptions_count; i++) {
        const char *entry = options->exceptions[i];

        if (network_holds(entry, address) || text_is_nocase(text_of(entry), text))
            return true;
    }
    return false;
}

/* "name." and "name" are one and the same. */
static struct text without_final_dot(struct text host)
{
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    return host;
}

static bool name_is_exception(const struct guard_options *options, struct text name, int port)
{
    name = without_final_dot(name);
    for (size_t i = 0; options && i < options->exceptions_count; i++) {
        struct text host;
        int allowed_port;

        if (!parse_host_port(text_of(options->exceptions[i]), &host, &allowed_port))
            continue;
        host = without_final_dot(host);
        if (allowed_port == port && host.len == name.len &&
            strncasecmp(host.ptr, name.ptr, name.len) == 0)
            return true;
    }
    return false;
}

int guard_check_exception(const char *entry, struct error *err)
{
    uint8_t network[16];
    struct text host;
    int number;

    if (parse_network(text_of(entry), network, &number) ||
        (!strchr(entry, '/') && parse_host_port(text_of(entry), &host, &number)))
        return 0;
    return error_set(err, E_INVALID,
                     "'%s' is neither \"host:port\" nor \"address/prefix\" (such as "
                     "\"intranet.example:8080\", \"[fd00::1]:80\" or \"10.1.0.0/16\")",
                     entry);
}

int guard_check_address(const struct guard_options *options, const struct address *address,
                        struct error *err)
{
    char text[ADDRESS_TEXT_SIZE];
    const char *what = judge(address);

    if (!what || address_is_exception(options, address))
        return 0;
    address_format(address, text);
    return error_set(err, E_DENIED, "the address %s is not public (%s)", text, what);
}

int guard_resolve(const struct guard_options *options, const char *host, int port,
                  int64_t deadline_ms, struct resolved *out, struct error *err)
{
    struct resolved resolved;
    int r;

    if (host[0] == '/')
        return error_set(err, E_DENIED, "a unix socket is no public address: %s", host);
    r = resolve_foreign_host(host, port, deadline_ms, &resolved, err);
    if (r < 0)
        return r;
    if (!name_is_exception(options, text_of(host), port)) {
        for (size_t i = 0; i < resolved.count; i++) {
            r = guard_check_address(options, &resolved.addresses[i], err);
            if (r < 0) {
                error_wrap(err, "'%s' may not be reached", host);
                return r;
            }
        }
    }
    *out = resolved;
    return 0;
}

int guard_resolve_named(const struct guard_options *options, const char *host, int port,
                        int64_t deadline_ms, struct resolved *out, struct error *err)
{
    int r = guard_resolve(options, host, port, deadline_ms, out, err);

    if (r == -E_DENIED)
        return error_set(err, E_DENIED, "%.100s has no public address, and others are not allowed",
                         host);
    if (r == -E_NOT_FOUND)
        return error_set(err, E_INVALID, "there is no host named %.100s", host);
    if (r == -E_TIMEOUT)
        return error_set(err, E_TIMEOUT, "the name %.100s could not be resolved in time", host);
    return r;
}
