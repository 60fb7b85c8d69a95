/* Calls of the HTTP API with retries, and errors in words for people. */

#include "scheduler/cli/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "scheduler/cli/dev/environment_file.h"
#include "shared/base/backoff.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/http_client/http_client.h"
#include "shared/sse/sse.h"

#define DEFAULT_URL     "http://127.0.0.1:8080"
#define CALL_TIMEOUT_MS 60000
#define STREAM_MS       (INT64_C(7) * 24 * 3600 * 1000)
#define SILENCE_MS      45000 /* a comment comes every 15 s */
#define EVENT_BYTES_MAX ((size_t)16 << 20)
#define RETRY_AFTER_MAX 60000
#define PAGE_ITEMS      100

static char *setting_of(const char *name, struct text dev, bool *from_file)
{
    CLEANUP(buf_deinit) struct buf value = {0};
    const char *variable = getenv(name);

    *from_file = false;
    if (variable && *variable)
        return xstrdup(variable);
    buf_init(&value, 4096);
    if (!environment_find(dev, name, &value))
        return NULL;
    *from_file = true;
    return buf_take(&value);
}

/* Paths begin with "/v1" themselves; the address for an SDK ends with it, and is taken, too. */
static void trim_url(char *url)
{
    size_t len = strlen(url);

    for (;;) {
        if (len > 0 && url[len - 1] == '/')
            url[--len] = '\0';
        else if (len > 3 && strcmp(url + len - 3, "/v1") == 0)
            url[len -= 3] = '\0';
        else
            return;
    }
}

static bool is_url(const char *url)
{
    struct text text = text_of(url);

    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)url[i] <= ' ')
            return false;
    return (text_starts(text, "http://") && text.len > 7) ||
           (text_starts(text, "https://") && text.len > 8);
}

int client_settings_read(struct client_settings *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf dev = {0};
    bool url_from_file;
    bool key_from_file;

    *out = (struct client_settings){0};
    (void)!environment_read(ENVIRONMENT_FOLDER, &dev, NULL); /* an empty text says nothing */
    out->url = setting_of("PENSTOCK_URL", buf_text(&dev), &url_from_file);
    out->api_key = setting_of("PENSTOCK_API_KEY", buf_text(&dev), &key_from_file);
    (void)snprintf(out->origin, sizeof(out->origin), "%s",
                   !out->url       ? "the default; set PENSTOCK_URL"
                   : url_from_file ? "from " ENVIRONMENT_PATH
                                   : "from PENSTOCK_URL");
    out->key_origin = key_from_file ? "from " ENVIRONMENT_PATH : "from PENSTOCK_API_KEY";
    if (!out->url)
        out->url = xstrdup(DEFAULT_URL);
    trim_url(out->url);
    if (!is_url(out->url))
        return error_set(err, E_INVALID,
                         "the server's address (%s) must be http://... or https://...",
                         out->origin);
    if (!out->api_key)
        return error_set(
            err, E_DENIED,
            "there is no API key: set PENSTOCK_API_KEY, or start `penstock dev` in this "
            "folder");
    return 0;
}

void client_settings_deinit(struct client_settings *settings)
{
    free(settings->url);
    free(settings->api_key);
    *settings = (struct client_settings){0};
}

int client_open(struct client *out, struct error *err)
{
    struct http_client_options options = {.user_agent = "penstock-cli/" PENSTOCK_VERSION};
    int r;

    *out = (struct client){.retry_for_ms = 3000};
    r = client_settings_read(&out->settings, err);
    if (r < 0)
        return r;
    return http_client_open(&options, &out->http, err);
}

void client_close(struct client *client)
{
    http_client_close(client->http);
    client_settings_deinit(&client->settings);
    client->http = NULL;
}

int64_t client_wait_ms(int64_t backoff_ms, int64_t retry_after_ms)
{
    if (retry_after_ms > RETRY_AFTER_MAX)
        retry_after_ms = RETRY_AFTER_MAX;
    return backoff_ms > retry_after_ms ? backoff_ms : retry_after_ms + backoff_ms / 10;
}

#define ID_LENGTH_MAX 128 /* far longer than any */

bool client_is_plain(const char *word)
{
    size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    return len > 0 && len <= ID_LENGTH_MAX && word[len] == '\0';
}

char *client_encode(const char *word)
{
    struct buf out;

    buf_init(&out, 0);
    for (const char *at = word; *at; at++) {
        if (strchr("-_.~", *at) || (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') ||
            (*at >= 'A' && *at <= 'Z'))
            buf_add_char(&out, *at);
        else
            buf_printf(&out, "%%%02X", (unsigned)(unsigned char)*at);
    }
    return buf_take(&out);
}

static int64_t header_number(const struct http_response *response, const char *name)
{
    int64_t value;

    if (!text_to_int(text_trim(http_response_header(response, name)), &value) || value < 0)
        return 0;
    return value;
}

static int64_t retry_after_ms(const struct http_response *response)
{
    int64_t ms = header_number(response, "retry-after-ms");
    int64_t seconds = header_number(response, "retry-after");

    if (ms > 0)
        return ms;
    return seconds > RETRY_AFTER_MAX / 1000 ? RETRY_AFTER_MAX : seconds * 1000;
}

static int code_of_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return E_DENIED;
    case 404:
        return E_NOT_FOUND;
    case 409:
        return E_CONFLICT;
    case 502:
    case 503:
        return E_UNAVAILABLE;
    default:
        return E_REJECTED;
    }
}

static bool is_success(const struct http_response *response)
{
    return response->status >= 200 && response->status < 300;
}

void client_name_member(struct text param, struct text message, char out[CLIENT_MEMBER_SIZE])
{
    out[0] = '\0';
    if (param.len > 0 && param.len + 3 <= CLIENT_MEMBER_SIZE &&
        !memmem(message.ptr, message.len, param.ptr, param.len))
        (void)snprintf(out, CLIENT_MEMBER_SIZE, "%.*s: ", TEXT_ARGS(param));
}

static int refused(const struct client *client, const struct client_call *call, int status,
                   struct text body, struct error *err)
{
    CLEANUP(json_freep) struct json_object *json = NULL;
    struct text message = TEXT_NONE;
    char member[CLIENT_MEMBER_SIZE];

    if (json_decode(body, JSON_DEPTH_DEFAULT, &json, NULL) == 0)
        message = json_string(json_path(json, "error", "message", NULL));
    if (status == 401)
        return error_set(err, E_DENIED, "%s refused the API key (%s): %.*s", client->settings.url,
                         client->settings.key_origin, TEXT_ARGS(message));
    if (message.len == 0)
        return error_set(err, code_of_status(status),
                         "%s %s%s answered %d: is this a Penstock server?", call->method,
                         client->settings.url, call->path, status);
    client_name_member(json_string(json_path(json, "error", "param", NULL)), message, member);
    if (status == 400 || status == 404 || status == 409 || status == 422)
        return error_set(err, code_of_status(status), "%s%.*s", member, TEXT_ARGS(message));
    return error_set(err, code_of_status(status), "%s%.*s (%d)", member, TEXT_ARGS(message),
                     status);
}

/* A raw response is taken over. */
static int read_reply(const struct client_call *call, struct http_response *response,
                      struct client_reply *out, struct error *err)
{
    struct client_reply reply = {.poll_after_ms = header_number(response, "openai-poll-after-ms")};

    if (call->raw) {
        reply.raw = xcalloc(1, sizeof(*reply.raw));
        *reply.raw = *response;
        *response = (struct http_response){0};
    } else if (json_decode(response->body, JSON_DEPTH_DEFAULT, &reply.json, err) < 0) {
        return error_set(err, E_PROTOCOL, "%s %s: the reply is no JSON", call->method, call->path);
    }
    *out = reply;
    return 0;
}

/* Whether the same call may be made again after this outcome. 429 says that nothing was done; 503
 * also says that the database was away, and then it may have been done. 409 is final, unless the
 * first call with this key is still under way: then the server says that it may be repeated. */
static bool may_retry(const struct client_call *call, int r, const struct http_response *response)
{
    bool safe = strcmp(call->method, "GET") == 0 || call->idempotency_key || call->repeatable;
    int status = response->status;

    if (r == 0 && status == 409)
        return call->idempotency_key &&
               text_is(text_trim(http_response_header(response, "x-should-retry")), "true");
    if (r == 0)
        return status == 429 || (safe && (status >= 500 || status == 408));
    if (r == -E_UNAVAILABLE)
        return true;
    return safe && (r == -E_CLOSED || r == -E_TIMEOUT);
}

/* The body of a reply that may be events. */
struct event_body {
    const struct client_stream *stream; /* NULL: it is none */
    struct sse_reader reader;
    struct buf beginning; /* for who finds that it is no stream */
    bool began;           /* an event was told */
    bool enough;
};

static void event_body_init(struct event_body *body, const struct client_stream *stream)
{
    *body = (struct event_body){.stream = stream};
    sse_init(&body->reader, EVENT_BYTES_MAX);
    buf_init(&body->beginning, 64 << 10);
}

static void event_body_deinit(struct event_body *body)
{
    sse_deinit(&body->reader);
    buf_deinit(&body->beginning);
}

static enum http_take take_body(void *arg, struct text bytes)
{
    struct event_body *body = arg;
    struct sse_event event;
    struct error err;
    int r;

    if (!body->began)
        buf_add_text(&body->beginning, bytes);
    while ((r = sse_next(&body->reader, &bytes, &event, &err)) == 0) {
        body->began = true;
        body->enough = !body->stream->tell(body->stream->arg, &event);
        if (body->enough)
            return HTTP_TAKE_ENOUGH;
    }
    return r < 0 ? HTTP_TAKE_REFUSE : HTTP_TAKE_MORE;
}

/* One attempt. The response is the caller's when 0 is returned. */
static int attempt(struct client *client, const struct client_call *call, struct event_body *body,
                   struct http_response *response, struct error *err)
{
    CLEANUP(freep) char *url = xasprintf("%s%s", client->settings.url, call->path);
    CLEANUP(freep) char *authorization = xasprintf("Bearer %s", client->settings.api_key);
    struct http_header headers[5] = {
        {TEXT("Authorization"), text_of(authorization)},
        {TEXT("OpenAI-Beta"), TEXT("assistants=v2")},
    };
    size_t count = 2;
    struct http_call http = {
        .method = call->method,
        .url = url,
        .headers = headers,
        .body = call->body,
        .connect_timeout_ms = 5000,
        .total_timeout_ms = body ? STREAM_MS : CALL_TIMEOUT_MS,
    };
    struct text type = call->content_type ? text_of(call->content_type) : TEXT("application/json");
    int r;

    if (body) {
        http.first_byte_timeout_ms = CALL_TIMEOUT_MS;
        http.idle_timeout_ms = SILENCE_MS;
        http.max_body_bytes = SIZE_MAX;
        http.on_body = take_body;
        http.arg = body;
    }
    if (call->timeout_ms > 0)
        http.total_timeout_ms = call->timeout_ms;
    if (call->body.len > 0)
        headers[count++] = (struct http_header){TEXT("Content-Type"), type};
    if (call->range)
        headers[count++] = (struct http_header){TEXT("Range"), text_of(call->range)};
    if (call->idempotency_key)
        headers[count++] =
            (struct http_header){TEXT("Idempotency-Key"), text_of(call->idempotency_key)};
    http.headers_count = count;
    r = http_call(client->http, &http, response, err);
    if (r < 0 && r != -E_CANCELED)
        return error_wrap(err, "can't reach %s (%s)", client->settings.url,
                          client->settings.origin);
    return r;
}

/* What came of a call, and whether it may be made again. */
struct attempted {
    int r;
    bool again;
    int64_t retry_after_ms;
};

static struct attempted send_once(struct client *client, const struct client_call *call,
                                  struct client_reply *out, struct error *err)
{
    struct http_response response = {0};
    struct attempted done = {.r = attempt(client, call, NULL, &response, err)};

    done.again = may_retry(call, done.r, &response);
    if (done.r == 0)
        done.retry_after_ms = retry_after_ms(&response);
    if (done.r == 0 && is_success(&response)) {
        done.r = read_reply(call, &response, out, err);
        done.again = false;
    } else if (done.r == 0) {
        done.r = refused(client, call, response.status, response.body, err);
    }
    http_response_deinit(&response);
    return done;
}

static struct attempted follow_once(struct client *client, const struct client_stream *stream,
                                    struct error *err)
{
    struct http_response response = {0};
    struct attempted done = {0};
    struct event_body body;

    event_body_init(&body, stream);
    done.r = attempt(client, &stream->call, &body, &response, err);
    done.again = !body.began && may_retry(&stream->call, done.r, &response);
    if (done.r == 0)
        done.retry_after_ms = retry_after_ms(&response);
    if (body.enough)
        done.r = 0;
    else if (done.r == 0 && !is_success(&response))
        done.r = refused(client, &stream->call, response.status, buf_text(&body.beginning), err);
    http_response_deinit(&response);
    event_body_deinit(&body);
    return done;
}

/* With `out` a reply, else (NULL) a stream. */
static int try_again_and_again(struct client *client, const struct client_stream *stream,
                               struct client_reply *out, struct error *err)
{
    struct backoff backoff = {.policy = {.base_ms = 200, .cap_ms = 10000}};
    int64_t give_up_ms = deadline_in(client->retry_for_ms);

    for (;;) {
        struct attempted done =
            out ? send_once(client, &stream->call, out, err) : follow_once(client, stream, err);
        int64_t wait_ms = client_wait_ms(backoff_next_ms(&backoff), done.retry_after_ms);
        int r;

        if (done.r == 0 || !done.again || clock_ms() + wait_ms > give_up_ms)
            return done.r;
        client->retries++;
        r = fiber_sleep(wait_ms, err);
        if (r < 0)
            return r;
    }
}

int client_send(struct client *client, const struct client_call *call, struct client_reply *out,
                struct error *err)
{
    const struct client_stream stream = {.call = *call};

    return try_again_and_again(client, &stream, out, err);
}

int client_follow(struct client *client, const struct client_stream *stream, struct error *err)
{
    return try_again_and_again(client, stream, NULL, err);
}

void client_reply_deinit(struct client_reply *reply)
{
    json_free(reply->json);
    reply->json = NULL;
    if (reply->raw)
        http_response_deinit(reply->raw);
    free(reply->raw);
    reply->raw = NULL;
}

int client_get(struct client *client, const char *path, struct client_reply *out, struct error *err)
{
    struct client_call call = {.method = "GET", .path = path};

    return client_send(client, &call, out, err);
}

int client_post(struct client *client, const char *path, struct json_object *body,
                struct client_reply *out, struct error *err)
{
    struct client_call call = {.method = "POST", .path = path, .repeatable = true};

    call.body = body ? json_text(body) : TEXT("{}");
    return client_send(client, &call, out, err);
}

int client_post_once(struct client *client, const char *path, struct json_object *body,
                     struct client_reply *out, struct error *err)
{
    char key[UUID_TEXT_SIZE];
    struct client_call call = {
        .method = "POST", .path = path, .body = json_text(body), .idempotency_key = key};

    uuid_format(uuid_new(), key);
    return client_send(client, &call, out, err);
}

/* One page. Returns 0 with *out_after (the caller's; NULL: that was the last page). */
static int walk_page(struct client *client, const struct client_walk *walk, size_t *seen,
                     char **after, struct error *err)
{
    size_t left = walk->max_items - *seen;
    CLEANUP(freep)
    char *path = xasprintf("%s%climit=%zu%s%s", walk->path, strchr(walk->path, '?') ? '&' : '?',
                           left < PAGE_ITEMS ? left : (size_t)PAGE_ITEMS, *after ? "&after=" : "",
                           *after ? *after : "");
    struct client_reply reply = {0};
    struct json_object *data;
    const char *last = NULL;
    int r = client_get(client, path, &reply, err);

    if (r < 0)
        return r;
    data = json_get(reply.json, "data");
    if (!json_object_is_type(data, json_type_array))
        r = error_set(err, E_PROTOCOL, "GET %s: the reply is no list", path);
    for (size_t i = 0; r == 0 && i < json_object_array_length(data); i++) {
        struct json_object *item = json_object_array_get_idx(data, i);

        last = json_get_string(item, "id");
        ++*seen;
        r = walk->each(walk->arg, item, err);
    }
    free(*after);
    *after = NULL;
    if (!last) /* cursors of this list are no ids */
        last = json_get_string(reply.json, "last_id");
    if (r == 0 && last && json_get_bool(reply.json, "has_more", false) && *seen < walk->max_items)
        *after = client_encode(last);
    client_reply_deinit(&reply);
    return r;
}

int client_walk(struct client *client, const struct client_walk *walk, struct error *err)
{
    char *after = NULL;
    size_t seen = 0;
    int r;

    do {
        r = walk_page(client, walk, &seen, &after, err);
    } while (r == 0 && after);
    free(after);
    return r < 0 ? r : 0;
}
