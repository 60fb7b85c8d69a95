/* What makes a single value right. Pure; each returns NULL, or a phrase that says what would be. */

#include <arpa/inet.h>
#include <stdlib.h>

#include "shared/config/config_internal.h"

#define URL_MAX 2048

static bool has_control_or_blank(const char *value)
{
    for (; *value; value++)
        if ((unsigned char)*value <= 0x20 || *value == 0x7F)
            return true;
    return false;
}

static bool is_port(struct text text)
{
    int64_t port;

    return text_to_int(text, &port) && port >= 1 && port <= 65535 && text.ptr[0] != '-';
}

/* "host", "host:port", "[::1]", "[::1]:port", with "user:password@" before it. */
static const char *check_authority(struct text authority)
{
    struct text host;
    struct text port;
    const char *at = memrchr(authority.ptr, '@', authority.len);

    if (at)
        authority = (struct text){at + 1, (size_t)(authority.ptr + authority.len - at) - 1};
    if (text_starts(authority, "[")) {
        if (!text_cut(authority, ']', &host, &port))
            return "has \"[\" without \"]\"; an IPv6 address is written [::1]";
        if (port.len > 0 &&
            (port.ptr[0] != ':' || !is_port((struct text){port.ptr + 1, port.len - 1})))
            return "must have a port from 1 to 65535 after the host";
        return NULL;
    }
    if (!text_cut(authority, ':', &host, &port))
        host = authority;
    else if (!is_port(port))
        return "must have a port from 1 to 65535 after the host";
    return host.len > 0 ? NULL : "must name a host";
}

static struct text authority_of(const char *after_scheme)
{
    return (struct text){after_scheme, strcspn(after_scheme, "/?#")};
}

const char *config_check_http_url(const char *value)
{
    const char *rest = NULL;

    if (strncmp(value, "http://", 7) == 0)
        rest = value + 7;
    else if (strncmp(value, "https://", 8) == 0)
        rest = value + 8;
    if (!rest)
        return "must begin with http:// or https://, as in https://api.openai.com/v1";
    if (strlen(value) > URL_MAX)
        return "must be shorter than 2048 bytes";
    if (has_control_or_blank(value))
        return "must have no blanks and no control characters";
    if (strpbrk(value, "?#"))
        return "must have no query (\"?\") and no fragment (\"#\"): paths are added to it";
    return check_authority(authority_of(rest));
}

const char *config_check_database_url(const char *value)
{
    if (strlen(value) > URL_MAX)
        return "must be shorter than 2048 bytes";
    if (strncmp(value, "postgresql://", 13) == 0 || strncmp(value, "postgres://", 11) == 0)
        return NULL;
    if (!strstr(value, "://") && strchr(value, '='))
        return NULL; /* "host=… dbname=…": libpq judges it */
    return "must be postgresql://user:password@host:5432/database or \"host=... dbname=...\"";
}

/* "/path", with "user:password@" before it. */
static bool is_socket_path(const char *rest)
{
    const char *slash = strchr(rest, '/');
    const char *at = strchr(rest, '@');

    if (at && at < slash)
        rest = at + 1;
    return rest[0] == '/' && rest[1];
}

const char *config_check_redis_url(const char *value)
{
    if (strlen(value) > URL_MAX)
        return "must be shorter than 2048 bytes";
    if (strncmp(value, "redis://", 8) == 0)
        return check_authority(authority_of(value + 8));
    if (strncmp(value, "unix://", 7) == 0 && is_socket_path(value + 7))
        return NULL;
    if (strncmp(value, "rediss://", 9) == 0)
        return "must begin with redis:// or unix://; TLS (rediss://) is not supported, use a "
               "tunnel";
    return "must be redis://[user:password@]host:6379[/0] or "
           "unix://[user:password@]/path/redis.sock";
}

const char *config_check_host(const char *value)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, value, address) == 1 || inet_pton(AF_INET6, value, address) == 1)
        return NULL;
    if (*value == '/') /* a unix socket */
        return NULL;
    return "must be an address to listen on, as in 127.0.0.1 or 0.0.0.0 or ::1, not a name";
}

static unsigned role_of(struct text word)
{
    static const struct {
        const char *name;
        unsigned bit;
    } roles[] = {{"api", ROLE_API},
                 {"dispatch", ROLE_DISPATCH},
                 {"reap", ROLE_REAP},
                 {"batches", ROLE_BATCHES},
                 {"clock", ROLE_CLOCK},
                 {"outbox", ROLE_OUTBOX},
                 {"retention", ROLE_RETENTION}};

    for (size_t i = 0; i < ARRAY_LENGTH(roles); i++)
        if (text_is(word, roles[i].name))
            return roles[i].bit;
    return 0;
}

bool config_roles(const char *words, unsigned *out)
{
    struct text left = text_of(words);
    unsigned roles = 0;
    bool more = true;

    while (more) {
        struct text word;
        unsigned role;

        more = text_cut(left, ',', &word, &left);
        role = role_of(text_trim(more ? word : left));
        if (!role)
            return false;
        roles |= role;
    }
    *out = roles;
    return true;
}

const char *config_check_roles(const char *value)
{
    unsigned roles;

    if (config_roles(value, &roles))
        return NULL;
    return "must be some of api, dispatch, reap, batches, clock, outbox and retention, with commas "
           "between them";
}

bool config_split_address(const char *value, char host[CONFIG_HOST_SIZE], int *port)
{
    const char *colon = strrchr(value, ':');
    size_t len = colon ? (size_t)(colon - value) : 0;
    char address[CONFIG_HOST_SIZE];
    int64_t number;

    if (!colon || len >= sizeof(address) || !text_to_int(text_of(colon + 1), &number) ||
        number < 0 || number > 65535)
        return false;
    memcpy(address, value, len);
    address[len] = '\0';
    if (config_check_host(address))
        return false;
    memcpy(host, address, len + 1);
    *port = (int)number;
    return true;
}

const char *config_check_metrics(const char *value)
{
    char host[CONFIG_HOST_SIZE];
    int port;

    if (strcmp(value, "on") == 0 || strcmp(value, "off") == 0 ||
        config_split_address(value, host, &port))
        return NULL;
    return "must be on, off, or an address and a port, as in 127.0.0.1:9090";
}

const char *config_check_search(const char *value)
{
    if (strcmp(value, "users") == 0 || strcmp(value, "all") == 0 || strcmp(value, "off") == 0)
        return NULL;
    return "must be users, all or off";
}

const char *config_check_name(const char *value)
{
    size_t len = strlen(value);

    if (len == 0 || len > 128 || has_control_or_blank(value))
        return "must be 1 to 128 characters without blanks";
    return NULL;
}

const char *config_check_secret(const char *value)
{
    if (has_control_or_blank(value))
        return "must have no blanks and no line breaks";
    return NULL;
}

const char *config_check_header(const char *value)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t name = strspn(value, token);

    if (name == 0 || value[name] != ':')
        return "must be a header, as in \"X-Team: search\"";
    for (const char *at = value + name; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            return "must have no control characters";
    return NULL;
}

static bool is_prefix(struct text address, struct text prefix)
{
    char name[64];
    unsigned char bytes[sizeof(struct in6_addr)];
    int64_t bits;

    if (address.len >= sizeof(name) || !text_to_int(prefix, &bits) || bits < 0)
        return false;
    memcpy(name, address.ptr, address.len);
    name[address.len] = '\0';
    if (inet_pton(AF_INET, name, bytes) == 1)
        return bits <= 32;
    return inet_pton(AF_INET6, name, bytes) == 1 && bits <= 128;
}

const char *config_check_private_address(const char *value)
{
    static const char wanted[] = "must be host:port or address/prefix, as in 127.0.0.1:9000 or "
                                 "10.0.0.0/8";
    struct text text = text_of(value);
    struct text head;
    struct text rest;
    const char *colon;

    if (has_control_or_blank(value) || text.len == 0)
        return wanted;
    if (text_cut(text, '/', &head, &rest))
        return is_prefix(head, rest) ? NULL : wanted;
    colon = strrchr(value, ':');
    if (!colon || colon == value || !is_port(text_of(colon + 1)))
        return wanted;
    return NULL;
}

const char *config_check_files_store(const char *value)
{
    if (strcmp(value, "postgres") == 0 || strcmp(value, "directory") == 0 ||
        strcmp(value, "s3") == 0)
        return NULL;
    return "must be postgres, directory or s3";
}

/* "" is none, here and below. */
const char *config_check_directory(const char *value)
{
    if (value[0] == '\0' || value[0] == '/')
        return NULL;
    return "must be an absolute path";
}

/* With commas between. */
const char *config_check_directories(const char *value)
{
    for (const char *one = value; *one; one += strcspn(one, ",") + (strchr(one, ',') != NULL))
        if (*one != '/')
            return "must be absolute paths with commas between";
    return NULL;
}

const char *config_check_endpoint(const char *value)
{
    size_t len = strlen(value);

    if (len > 0 && value[len - 1] == '/')
        return "must not end with '/'";
    return len == 0 ? NULL : config_check_http_url(value);
}

const char *config_check_bucket(const char *value)
{
    size_t len = strlen(value);

    if (len == 0 ||
        (len >= 3 && len <= 63 && strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len))
        return NULL;
    return "must be the name of a bucket: 3 to 63 lower-case letters, digits, '-' and '.'";
}

const char *config_check_optional_name(const char *value)
{
    return value[0] == '\0' ? NULL : config_check_name(value);
}

const char *config_check_optional_secret(const char *value)
{
    return value[0] == '\0' ? NULL : config_check_secret(value);
}

const char *config_check_addressing(const char *value)
{
    if (strcmp(value, "path") == 0 || strcmp(value, "host") == 0)
        return NULL;
    return "must be path or host";
}

const char *config_check_optional_url(const char *value)
{
    return value[0] == '\0' ? NULL : config_check_http_url(value);
}

const char *config_check_on_off(const char *value)
{
    return strcmp(value, "on") == 0 || strcmp(value, "off") == 0 ? NULL : "must be on or off";
}

const char *config_check_robots(const char *value)
{
    if (strcmp(value, "obey") == 0 || strcmp(value, "agent") == 0 || strcmp(value, "ignore") == 0)
        return NULL;
    return "must be obey, agent or ignore";
}
