/* Host names, resolved on the offload pool and handed to curl's cache.
 *
 * curl by itself starts a thread for each transfer whose host it does not know, a thousand for a
 * thousand that start together. Here the first one resolves and the others wait for it. The result
 * goes into the cache that all multis share, through CURLOPT_RESOLVE of the first transfer; since a
 * transfer starts in the very turn in which it was added and waiters run in the next one, they find
 * it there. A name is resolved again before curl forgets it, by one call; the others go on with
 * what curl still has. Where the two notions of a name differ, curl resolves it itself.
 */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/http_client/http_internal.h"
#include "shared/net/resolve.h"

#define FRESH_MS  40000
#define KNOWN_MS  50000 /* curl's CURLOPT_DNS_CACHE_TIMEOUT is 60 s */
#define NAMES_MAX 256
#define NAME_SIZE 254

static struct http_name *find(struct http_client *client, const char *key)
{
    list_for_each (item, &client->names) {
        struct http_name *name = CONTAINER_OF(item, struct http_name, link);

        if (strcmp(name->key, key) == 0)
            return name;
    }
    return NULL;
}

static void drop(struct http_client *client, struct http_name *name)
{
    list_remove(&name->link);
    client->names_count--;
    free(name);
}

/* Drops the one that was not used for longest, if nobody holds it. */
static void make_room(struct http_client *client)
{
    struct http_name *last;

    if (client->names_count < NAMES_MAX)
        return;
    last = CONTAINER_OF(client->names.prev, struct http_name, link);
    if (last->users == 0)
        drop(client, last);
}

static struct http_name *take(struct http_client *client, const char *key)
{
    struct http_name *name = find(client, key);

    if (!name) {
        make_room(client);
        name = xcalloc(1, sizeof(*name));
        memcpy(name->key, key, sizeof(name->key));
        cond_init(&name->resolved);
        client->names_count++;
        list_init(&name->link);
    }
    list_remove(&name->link);
    list_insert(client->names.next, &name->link);
    name->users++;
    return name;
}

static int64_t connect_deadline(const struct http_transfer *transfer)
{
    const struct http_call *call = transfer->call;
    int64_t wait_ms = call->connect_timeout_ms;

    if (call->first_byte_timeout_ms < wait_ms)
        wait_ms = call->first_byte_timeout_ms;
    if (call->total_timeout_ms < wait_ms)
        wait_ms = call->total_timeout_ms;
    return transfer->start_ms + wait_ms;
}

static int fail(const struct http_transfer *transfer, int code, struct error *err)
{
    if (code == -E_CANCELED)
        return error_set(err, E_CANCELED, "cancelled before the request to %s", transfer->host);
    if (code != -E_TIMEOUT)
        return error_set(err, E_UNAVAILABLE, "can't resolve the host name of %s", transfer->host);
    if (connect_deadline(transfer) < transfer->start_ms + transfer->call->connect_timeout_ms)
        return error_set(err, E_TIMEOUT, "the host name of %s was not resolved in time",
                         transfer->host);
    return error_set(err, E_UNAVAILABLE, "no connection to %s within %lld ms: still resolving it",
                     transfer->host, (long long)transfer->call->connect_timeout_ms);
}

/* "+host:port:address,address": IPv6 in brackets; the port of address_format is cut. */
static void format_addresses(struct http_transfer *transfer, const struct resolved *resolved)
{
    buf_printf(&transfer->addresses, "+%.*s:%d:", TEXT_ARGS(transfer->name), transfer->port);
    for (size_t i = 0; i < resolved->count; i++) {
        char text[ADDRESS_TEXT_SIZE];

        address_format(&resolved->addresses[i], text);
        *strrchr(text, ':') = '\0';
        buf_printf(&transfer->addresses, "%s%s", i ? "," : "", text);
    }
}

static int resolve_now(struct http_transfer *transfer, struct http_name *name, struct error *err)
{
    char host[NAME_SIZE];
    struct resolved resolved;
    int r;

    memcpy(host, transfer->name.ptr, transfer->name.len);
    host[transfer->name.len] = '\0';
    name->resolving = true;
    r = resolve_host(host, transfer->port, connect_deadline(transfer), &resolved, NULL);
    name->resolving = false;
    name->failure.code = 0;
    if (r == 0) {
        format_addresses(transfer, &resolved);
        name->fresh_until_ms = clock_ms() + FRESH_MS;
        name->known_until_ms = clock_ms() + KNOWN_MS;
    } else {
        r = fail(transfer, r, err);
        /* Others who wait have no cancel or deadline of ours: one of them tries next. */
        if (r == -E_UNAVAILABLE)
            error_set(&name->failure, E_UNAVAILABLE, "can't resolve the host name of %s",
                      transfer->host);
    }
    cond_broadcast(&name->resolved);
    return r;
}

static int resolve_name(struct http_transfer *transfer, struct http_name *name, struct error *err)
{
    while (clock_ms() >= name->fresh_until_ms) {
        int r;

        if (!name->resolving)
            return resolve_now(transfer, name, err);
        if (clock_ms() < name->known_until_ms)
            return 0;
        r = cond_wait(&name->resolved, connect_deadline(transfer), NULL);
        if (r < 0)
            return fail(transfer, r, err);
        if (name->failure.code) {
            if (err)
                *err = name->failure;
            return -name->failure.code;
        }
    }
    return 0;
}

int http_names_resolve(struct http_transfer *transfer, struct error *err)
{
    char host[NAME_SIZE];
    struct address numeric;
    struct http_name *name;
    int r;

    if (transfer->call->pin || transfer->port == 0 || transfer->name.len == 0 ||
        transfer->name.len >= HTTP_HOST_TEXT_SIZE - 16 || transfer->name.ptr[0] == '[')
        return 0;
    memcpy(host, transfer->name.ptr, transfer->name.len);
    host[transfer->name.len] = '\0';
    if (strchr(host, '%') || address_parse(host, 0, &numeric, NULL) == 0)
        return 0;
    name = take(transfer->client, transfer->host);
    r = resolve_name(transfer, name, err);
    name->users--;
    return r;
}

void http_names_clear(struct http_client *client)
{
    struct list *item;

    while ((item = list_pop(&client->names))) {
        struct http_name *name = CONTAINER_OF(item, struct http_name, link);

        ASSERT(name->users == 0);
        free(name);
    }
    client->names_count = 0;
}
