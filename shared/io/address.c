/* Addresses: parsing of numeric hosts and unix paths, and their texts. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "shared/base/error.h"
#include "shared/io/io.h"

static int parse_unix(const char *path, struct address *out, struct error *err)
{
    struct sockaddr_un *un;

    if (strlen(path) >= sizeof(un->sun_path))
        return error_set(err, E_INVALID, "the socket path is longer than %zu bytes: %s",
                         sizeof(un->sun_path) - 1, path);
    memset(out, 0, sizeof(*out));
    un = (struct sockaddr_un *)&out->storage;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, strlen(path));
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
    return 0;
}

int address_parse(const char *host, int port, struct address *out, struct error *err)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (host[0] == '/')
        return parse_unix(host, out, err);
    if (port < 0 || port > 65535)
        return error_set(err, E_INVALID, "port %d is not between 0 and 65535", port);
    if (inet_pton(AF_INET, host, &v4) == 1) {
        struct sockaddr_in *in = (struct sockaddr_in *)&out->storage;

        memset(out, 0, sizeof(*out));
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        in->sin_addr = v4;
        out->len = sizeof(*in);
        return 0;
    }
    if (inet_pton(AF_INET6, host, &v6) == 1) {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)&out->storage;

        memset(out, 0, sizeof(*out));
        in->sin6_family = AF_INET6;
        in->sin6_port = htons((uint16_t)port);
        in->sin6_addr = v6;
        out->len = sizeof(*in);
        return 0;
    }
    return error_set(err, E_INVALID, "'%s' is no numeric address (such as 127.0.0.1 or ::1)", host);
}

void address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "?";

    switch (address->storage.ss_family) {
    case AF_INET: {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address->storage;

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(out, ADDRESS_TEXT_SIZE, "%s:%d", host, ntohs(in->sin_port));
        return;
    }
    case AF_INET6: {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&address->storage;

        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
        snprintf(out, ADDRESS_TEXT_SIZE, "[%s]:%d", host, ntohs(in->sin6_port));
        return;
    }
    case AF_UNIX: {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;

        snprintf(out, ADDRESS_TEXT_SIZE, "unix:%s",
                 address->len > offsetof(struct sockaddr_un, sun_path) ? un->sun_path : "");
        return;
    }
    default:
        snprintf(out, ADDRESS_TEXT_SIZE, "unknown address");
    }
}
