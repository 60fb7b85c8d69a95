/* Urls of Redis: redis://[user:password@]host[:port][/db] and unix://[user:password@]/path[?db=n].
 *
 * A password may be percent-encoded, and stands alone when nothing is before the colon. Nothing of
 * it gets into an error text. TLS (rediss://) is refused by name, so that nobody believes in it.
 */

#include <ctype.h>
#include <stdlib.h>
#include <sys/un.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/redis/redis_internal.h"

#define HOST_MAX       253
#define CREDENTIAL_MAX 1024
#define DB_MAX         1000000

/* NULL when it is malformed, too long, or holds a zero byte. */
static char *percent_decode(struct text in)
{
    char *out;
    size_t len = 0;

    if (in.len > CREDENTIAL_MAX)
        return NULL;
    out = xmalloc(in.len + 1);
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];

        if (c == '%') {
            int high = i + 2 < in.len ? text_hex_digit(in.ptr[i + 1]) : -1;
            int low = i + 2 < in.len ? text_hex_digit(in.ptr[i + 2]) : -1;

            if (high < 0 || low < 0)
                goto malformed;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0')
            goto malformed;
        out[len++] = c;
    }
    out[len] = '\0';
    return out;

malformed:
    free(out);
    return NULL;
}

/* Takes "user:password@" off the front of *rest, where there is one. */
static int parse_credentials(struct text *rest, struct redis_target *target, struct error *err)
{
    const char *at = rest->ptr ? memrchr(rest->ptr, '@', rest->len) : NULL;
    struct text credentials;
    struct text user = TEXT_NONE;
    struct text password;

    if (!at)
        return 0;
    credentials = (struct text){rest->ptr, (size_t)(at - rest->ptr)};
    *rest = (struct text){at + 1, rest->len - credentials.len - 1};
    if (!text_cut(credentials, ':', &user, &password))
        return error_set(err, E_INVALID,
                         "the Redis url has a user but no password: expected user:password@host");
    target->password = percent_decode(password);
    if (user.len > 0)
        target->user = percent_decode(user);
    if (!target->password || (user.len > 0 && !target->user))
        return error_set(
            err, E_INVALID,
            "the Redis url has malformed credentials: write special characters as %%XX");
    return 0;
}

static int parse_db(struct text number, struct redis_target *target, struct error *err)
{
    int64_t db;

    if (!text_to_int(number, &db) || db < 0 || db > DB_MAX)
        return error_set(err, E_INVALID,
                         "the Redis url has a malformed database: expected a number of 0 to %d",
                         DB_MAX);
    target->db = (int)db;
    return 0;
}

/* host[:port], [v6][:port] */
static int parse_host_port(struct text in, struct redis_target *target, struct error *err)
{
    struct text host = in;
    struct text port = TEXT_NONE;
    int64_t number = 6379;

    if (text_starts(in, "[")) {
        if (!text_cut((struct text){in.ptr + 1, in.len - 1}, ']', &host, &port))
            return error_set(err, E_INVALID, "the Redis url has '[' without ']' in its host");
        if (port.len > 0 && port.ptr[0] != ':')
            return error_set(err, E_INVALID, "the Redis url has bytes between ']' and the port");
        if (port.len > 0)
            port = (struct text){port.ptr + 1, port.len - 1};
        else
            port = TEXT_NONE;
    } else {
        text_cut(in, ':', &host, &port);
    }
    if (host.len == 0 || host.len > HOST_MAX)
        return error_set(err, E_INVALID, "the Redis url has no host: expected redis://host:port");
    if (port.ptr && (!text_to_int(port, &number) || number < 1 || number > 65535))
        return error_set(err, E_INVALID,
                         "the Redis url has a port that is no number of 1 to 65535");
    for (size_t i = 0; i < host.len; i++)
        if (!isgraph((unsigned char)host.ptr[i]) || host.ptr[i] == '%' || host.ptr[i] == '?')
            return error_set(err, E_INVALID, "the Redis url has a host with a bad character");
    target->host = xstrndup(host.ptr, host.len);
    target->port = (int)number;
    return 0;
}

static int parse_network(struct text rest, struct redis_target *target, struct error *err)
{
    struct text authority = rest;
    struct text db = TEXT_NONE;
    int r;

    text_cut(rest, '/', &authority, &db);
    r = parse_credentials(&authority, target, err);
    if (r == 0)
        r = parse_host_port(authority, target, err);
    if (r == 0 && db.len > 0)
        r = parse_db(db, target, err);
    return r;
}

static int parse_unix(struct text rest, struct redis_target *target, struct error *err)
{
    struct text path = rest;
    struct text query = TEXT_NONE;
    int r;

    if (text_cut(rest, '?', &path, &query)) {
        if (!text_starts(query, "db="))
            return error_set(err, E_INVALID,
                             "the Redis url has an unknown parameter: expected ?db=number");
        r = parse_db((struct text){query.ptr + 3, query.len - 3}, target, err);
        if (r < 0)
            return r;
    }
    r = parse_credentials(&path, target, err);
    if (r < 0)
        return r;
    if (path.len < 2 || path.ptr[0] != '/')
        return error_set(err, E_INVALID, "the Redis url has no path: expected unix:///path");
    if (path.len >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return error_set(err, E_INVALID, "the Redis url has a socket path of over 107 bytes");
    target->host = xstrndup(path.ptr, path.len);
    return 0;
}

int redis_target_parse(const char *url, struct redis_target *out, struct error *err)
{
    struct redis_target target = {0};
    struct text in = text_of(url);
    int r;

    if (text_starts(in, "redis://"))
        r = parse_network((struct text){in.ptr + 8, in.len - 8}, &target, err);
    else if (text_starts(in, "unix://"))
        r = parse_unix((struct text){in.ptr + 7, in.len - 7}, &target, err);
    else if (text_starts(in, "rediss://"))
        r = error_set(err, E_INVALID,
                      "rediss:// is not supported: reach Redis over a TLS proxy such as stunnel");
    else
        r = error_set(err, E_INVALID,
                      "the Redis url must begin with redis:// (host) or unix:// (socket path)");
    if (r < 0)
        redis_target_deinit(&target);
    else
        *out = target;
    return r;
}

void redis_target_deinit(struct redis_target *target)
{
    free(target->host);
    free(target->user);
    if (target->password)
        explicit_bzero(target->password, strlen(target->password));
    free(target->password);
    *target = (struct redis_target){0};
}
