/* An easy handle's options and callbacks.
 *
 * Handles are pooled without curl_easy_reset: what never changes is set once in http_easy_new, and
 * http_transfer_configure sets every option that any call may change, every time. Whoever adds an
 * option that depends on the call must set it there for all calls.
 *
 * The callbacks run on the loop's stack, inside curl: they only buffer.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/fiber/fiber.h"
#include "shared/http_client/http_internal.h"

/* Buffers are per transfer in flight: 8 KiB carries streamed replies. Bodies that do not leave with
 * the headers (from 64 KiB on) go through a buffer that stays until the reply is complete: a big
 * one halves the CPU time, a small one saves 48 KiB, which counts when many are in flight. */
#define RECEIVE_BUFFER_BYTES    8192L
#define UPLOAD_BUFFER_BYTES     16384L
#define UPLOAD_BUFFER_BIG_BYTES 65536L
#define BIG_BUFFERS_MAX         512 /* transfers in flight */
#define KEEPALIVE_IDLE_S        60L
#define KEEPALIVE_INTERVAL_S    30L

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    size_t len = size * count;

    transfer->last_byte_at_ms = clock_ms();
    if (transfer->first_byte_at_ms == 0) {
        transfer->first_byte_at_ms = transfer->last_byte_at_ms;
        if (transfer->call->idle_timeout_ms < transfer->call->total_timeout_ms)
            fiber_wake(transfer->fiber); /* its next deadline is another one */
    }
    return http_head_line(transfer, (struct text){bytes, len}) ? len : 0;
}

/* A body over the cap: keep what fits where the call wants that, else fail. Ends the transfer. */
static size_t end_body(struct http_transfer *transfer, struct text text)
{
    const struct http_call *call = transfer->call;

    if (!call->truncate_body || call->on_body) {
        error_set(&transfer->failure, E_LIMIT, "the reply from %s is larger than %zu bytes",
                  transfer->host, call->max_body_bytes);
        return 0;
    }
    buf_add(&transfer->body, text.ptr, call->max_body_bytes - transfer->body_bytes);
    transfer->body_bytes = call->max_body_bytes;
    transfer->truncated = true;
    return 0;
}

/* To the call's receiver. Returns false when it refused. */
static bool give(struct http_transfer *transfer, struct text text)
{
    switch (transfer->call->on_body(transfer->call->arg, text)) {
    case HTTP_TAKE_MORE:
        return true;
    case HTTP_TAKE_ENOUGH:
        transfer->enough_at_ms = clock_ms();
        fiber_wake(transfer->fiber);
        return true;
    case HTTP_TAKE_REFUSE:
        break;
    }
    error_set(&transfer->failure, E_LIMIT, "the receiver took no more of the reply from %s",
              transfer->host);
    return false;
}

static size_t on_write(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    const struct http_call *call = transfer->call;
    struct text text = {bytes, size * count};

    if (text.len == 0)
        return 0;
    if (transfer->enough_at_ms)
        return text.len; /* and dropped */
    if (text.len > call->max_body_bytes - transfer->body_bytes)
        return end_body(transfer, text);
    transfer->body_bytes += text.len;
    transfer->last_byte_at_ms = clock_ms();
    if (call->on_body)
        return give(transfer, text) ? text.len : 0;
    buf_add_text(&transfer->body, text);
    return buf_check(&transfer->body, &transfer->failure) == 0 ? text.len : 0;
}

static int on_connected(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    struct http_transfer *transfer = arg;

    (void)remote;
    (void)local;
    (void)remote_port;
    (void)local_port;
    transfer->connected = true;
    return CURL_PREREQFUNC_OK;
}

static bool same_address(const struct address *pin, const struct curl_sockaddr *to)
{
    if (pin->storage.ss_family != to->family)
        return false;
    if (to->family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)&pin->storage;
        const struct sockaddr_in *b = (const struct sockaddr_in *)(const void *)&to->addr;

        return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)&pin->storage;
    const struct sockaddr_in6 *b = (const struct sockaddr_in6 *)(const void *)&to->addr;

    return a->sin6_port == b->sin6_port && memcmp(&a->sin6_addr, &b->sin6_addr, 16) == 0;
}

/* The last word on a pin: whatever curl made of the url, no other address is connected to. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct http_transfer *transfer = arg;
    int fd;

    (void)purpose;
    if (transfer->call->pin && !same_address(transfer->call->pin, to)) {
        error_set(&transfer->failure, E_INTERNAL, "%s led to another address than the pinned one",
                  transfer->host);
        return CURL_SOCKET_BAD;
    }
    fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    if (fd < 0) {
        error_set_errno(&transfer->failure, errno, "no socket for a connection to %s",
                        transfer->host);
        transfer->failure.code = E_UNAVAILABLE;
        return CURL_SOCKET_BAD;
    }
    transfer->client->stats.connections_opened++;
    return fd;
}

/* libcurl keeps the certificates that it has read (CURLOPT_CA_CACHE_TIMEOUT) only where there is no
 * folder of them beside the file: else each new connection reads all of them again, on the loop,
 * for 20 ms. Where the system has both they hold the same. */
static void trust(CURL *easy, const char *ca_file)
{
    const char *file = ca_file ? ca_file : curl_version_info(CURLVERSION_NOW)->cainfo;

    if (ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    if (ca_file || (file && access(file, R_OK) == 0))
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
}

CURL *http_easy_new(struct http_client *client)
{
    CURL *easy = curl_easy_init();

    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_SHARE, client->share);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
    trust(easy, client->ca_file);
    /* A cancel must not wait for a resolver thread. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    return easy;
}

static void configure_method(CURL *easy, const struct http_call *call)
{
    bool head = strcmp(call->method, "HEAD") == 0;
    bool get = strcmp(call->method, "GET") == 0;
    /* These announce "Content-Length: 0" when they have no body (RFC 9110, section 8.6). */
    bool takes_body = strcmp(call->method, "POST") == 0 || strcmp(call->method, "PUT") == 0 ||
                      strcmp(call->method, "PATCH") == 0;

    /* Setting the fields makes it a POST; what follows makes it what it is. */
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, head || get ? NULL : call->method);
    if (head) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    if (call->body.len == 0 && !takes_body)
        return;
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.len ? call->body.ptr : "");
    if (get)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
}

static void configure_connection(struct http_transfer *transfer)
{
    const struct http_call *call = transfer->call;
    CURL *easy = transfer->easy;
    bool pinned = call->pin != NULL;

    if (pinned) {
        memcpy(transfer->connect_to_text, "::", 2);
        address_format(call->pin, transfer->connect_to_text + 2);
        transfer->connect_to = (struct curl_slist){transfer->connect_to_text, NULL};
    }
    transfer->resolve = (struct curl_slist){transfer->addresses.ptr, NULL};
    curl_easy_setopt(easy, CURLOPT_RESOLVE, transfer->addresses.len ? &transfer->resolve : NULL);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, pinned ? &transfer->connect_to : NULL);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, pinned || call->once ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, pinned ? 1L : 0L);
    /* HTTP/1.1 keeps a pinned connection to its one transfer. */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     (long)(pinned ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, transfer->secure && !pinned ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
}

void http_transfer_configure(struct http_transfer *transfer)
{
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_URL, transfer->call->url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_text);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http_request_headers(transfer));
    /* Any value makes curl decode whatever encoding comes. */
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING,
                     transfer->call->decode_body ? "identity" : NULL);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE,
                     transfer->client->stats.active < BIG_BUFFERS_MAX ? UPLOAD_BUFFER_BIG_BYTES
                                                                      : UPLOAD_BUFFER_BYTES);
    configure_method(easy, transfer->call);
    configure_connection(transfer);
}
