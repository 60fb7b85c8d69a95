/* Requests to a bucket.
 *
 * Each carries the digest of its body, which is a part of what is signed: what arrives otherwise is
 * refused there. All of them may be sent again, so they are, a few times, within the time that a
 * request has with all of its tries: somebody waits for what becomes of it. One try has half of
 * that, so that a bucket that says nothing is asked a second time, as by another of its servers.
 */

#include "shared/blob/s3.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/blob/sigv4.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/offload.h"
#include "shared/http_client/http_client.h"

#define HEADERS_MAX     4
#define URL_SIZE        2048
#define REPLY_BYTES_MAX ((size_t)1 << 20)

enum { TRIES = 4, CONNECT_MS = 5000, TIMEOUT_MS = 60000, PAUSE_MS = 200 };

struct s3 {
    struct http_client *http;
    char *base; /* "https://host[/bucket]" */
    char *host; /* of it, with its port */
    char *path; /* of it: "" or "/bucket" */
    char *region;
    char *access_key;
    char *secret_key;
    int64_t timeout_ms;
};

/* The host of an endpoint, behind its scheme. */
static const char *host_of(const char *endpoint)
{
    const char *at = strstr(endpoint, "://");

    return at ? at + 3 : endpoint;
}

static bool is_given(const char *value)
{
    return value && value[0];
}

static void set_place(struct s3 *s3, const struct s3_options *options)
{
    const char *host = host_of(options->endpoint);
    int host_bytes = (int)strcspn(host, "/");
    int scheme_bytes = (int)(host - options->endpoint);

    if (options->host_style) {
        s3->host = xasprintf("%s.%.*s", options->bucket, host_bytes, host);
        s3->path = xstrdup("");
    } else {
        s3->host = xasprintf("%.*s", host_bytes, host);
        s3->path = xasprintf("/%s", options->bucket);
    }
    s3->base = xasprintf("%.*s%s%s", scheme_bytes, options->endpoint, s3->host, s3->path);
}

int s3_open(const struct s3_options *options, struct s3 **out, struct error *err)
{
    struct s3 *s3;

    if (!is_given(options->endpoint) || !is_given(options->access_key) ||
        !is_given(options->secret_key) || !options->http)
        return error_set(err, E_INVALID,
                         "files.s3_bucket needs files.s3_endpoint, files.s3_access_key and "
                         "files.s3_secret_key");
    s3 = xcalloc(1, sizeof(*s3));
    s3->http = options->http;
    s3->region = xstrdup(is_given(options->region) ? options->region : "us-east-1");
    s3->access_key = xstrdup(options->access_key);
    s3->secret_key = xstrdup(options->secret_key);
    s3->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
    set_place(s3, options);
    *out = s3;
    return 0;
}

void s3_close(struct s3 *s3)
{
    if (!s3)
        return;
    free(s3->base);
    free(s3->host);
    free(s3->path);
    free(s3->region);
    free(s3->access_key);
    free(s3->secret_key);
    free(s3);
}

struct text s3_element(struct text xml, const char *name)
{
    char tag[64];
    const char *from;
    const char *to;

    (void)snprintf(tag, sizeof(tag), "<%s>", name);
    from = xml.len > 0 ? memmem(xml.ptr, xml.len, tag, strlen(tag)) : NULL;
    if (!from)
        return TEXT_NONE;
    from += strlen(tag);
    to = memchr(from, '<', xml.len - (size_t)(from - xml.ptr));
    return to ? (struct text){from, (size_t)(to - from)} : TEXT_NONE;
}

void s3_escape(struct buf *out, struct text value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c != '\0' && strchr("-._~", c)))
            buf_add_char(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

/* A request under way. */
struct attempt {
    const struct s3_request *request;
    char digest[SHA256_TEXT_SIZE]; /* of its body */
    int64_t deadline_ms;           /* of all tries */
};

static void hash_body(void *arg)
{
    struct attempt *attempt = arg;

    sha256_hex(attempt->request->body, attempt->digest);
}

/* One try, signed for its moment. */
static int send_once(struct s3 *s3, const struct attempt *attempt, struct http_response *out,
                     struct error *err)
{
    const struct s3_request *request = attempt->request;
    int64_t left_ms = attempt->deadline_ms - clock_ms();
    char date[SIGV4_DATE_SIZE];
    char authorization[SIGV4_AUTH_SIZE];
    char url[URL_SIZE];
    char path[URL_SIZE / 2];
    char range[64];
    char id[UUID_TEXT_SIZE];
    struct http_header headers[HEADERS_MAX];
    struct http_call call = {
        .method = request->method,
        .url = url,
        .headers = headers,
        .body = request->body,
        .connect_timeout_ms = CONNECT_MS,
        .first_byte_timeout_ms = s3->timeout_ms / 2,
        .idle_timeout_ms = s3->timeout_ms / 2,
        .total_timeout_ms = left_ms > 0 ? left_ms : 1,
        .max_body_bytes = REPLY_BYTES_MAX,
    };

    uuid_format(request->key, id);
    (void)snprintf(path, sizeof(path), "%s/%s", s3->path, id);
    (void)snprintf(url, sizeof(url), "%s/%s%s%s", s3->base, id, request->query[0] ? "?" : "",
                   request->query);
    sigv4_sign(
        &(struct sigv4_request){
            .method = request->method,
            .host = s3->host,
            .path = path,
            .query = request->query,
            .payload_sha256 = attempt->digest,
            .access_key = s3->access_key,
            .secret_key = s3->secret_key,
            .region = s3->region,
            .wall_s = clock_wall_ms() / 1000,
        },
        date, authorization);
    headers[call.headers_count++] =
        (struct http_header){TEXT("Authorization"), text_of(authorization)};
    headers[call.headers_count++] = (struct http_header){TEXT("x-amz-date"), text_of(date)};
    headers[call.headers_count++] =
        (struct http_header){TEXT("x-amz-content-sha256"), text_of(attempt->digest)};
    if (request->at >= 0) {
        (void)snprintf(range, sizeof(range), "bytes=%" PRId64 "-%" PRId64, request->at,
                       request->at + (int64_t)request->size - 1);
        headers[call.headers_count++] = (struct http_header){TEXT("Range"), text_of(range)};
    }
    return http_call(s3->http, &call, out, err);
}

static bool passes(int r)
{
    return r == -E_UNAVAILABLE || r == -E_CLOSED || r == -E_TIMEOUT || r == -E_PROTOCOL;
}

/* What a status means. */
static int judge(const struct http_response *response, struct error *err)
{
    struct text code = s3_element(response->body, "Code");
    char shown[64];

    if (response->status / 100 == 2 || response->status == 404)
        return 0;
    text_excerpt(code.ptr ? code : TEXT("no reason"), shown, sizeof(shown));
    return error_set(
        err, response->status >= 500 || response->status == 429 ? E_UNAVAILABLE : E_REJECTED,
        "the bucket of files answers %d, %s", response->status, shown);
}

/* What went wrong, by another code. */
static int tell_as(int code, const char *what, struct error *err)
{
    struct error cause = *err;

    return error_set(err, code, "%s: %.120s", what, cause.text);
}

int s3_call(struct s3 *s3, const struct s3_request *request, struct http_response *out,
            struct error *err)
{
    struct attempt attempt = {.request = request};
    int64_t pause_ms = PAUSE_MS;
    int r;

    offload_large(request->body.len, hash_body, &attempt);
    attempt.deadline_ms = deadline_in(s3->timeout_ms);
    for (int tries = 1;; tries++) {
        r = send_once(s3, &attempt, out, err);
        if (r == 0) {
            r = judge(out, err);
            if (r < 0)
                http_response_deinit(out);
        }
        if (!passes(r) || tries == TRIES || clock_ms() + 2 * pause_ms >= attempt.deadline_ms)
            break;
        if (fiber_sleep(pause_ms + (int64_t)random_below((uint64_t)pause_ms), err) < 0)
            return -E_CANCELED;
        pause_ms *= 2;
    }
    if (passes(r))
        return tell_as(E_UNAVAILABLE, "the bucket of files can't be reached", err);
    /* It is the bucket that says too much, not whoever asks us. */
    if (r == -E_LIMIT)
        return tell_as(E_REJECTED, "the bucket of files gives no answer", err);
    return r;
}
