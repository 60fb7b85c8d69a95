/* One message over HTTP, and what comes back: JSON, or a stream of events with the answer as the
 * last one.
 *
 * The transfer has a fiber of its own, which only gathers; whoever made the call reads what has
 * come, prolongs its patience when progress is told of, answers pings, and ends the transfer when
 * the answer is there: a server may leave its stream open.
 *
 * Each address of the host must pass the guard, and the connection goes to one that was checked. A
 * redirect is followed within the same scheme, host and port only (servers have one to a path with
 * a slash behind it): elsewhere nobody chose to send credentials.
 */

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/secrets/envelope.h"
#include "shared/sse/sse.h"
#include "worker/tools/mcp/mcp_internal.h"

#define REDIRECTS_MAX 3
#define HEADER_BYTES  ((size_t)32 << 10)
#define STREAM_BYTES  ((size_t)32 << 20) /* of an answer with all that comes before it */
#define END_MS        1000               /* for the head of an answer whose body is there */
#define HEADERS_MAX   (MCP_HEADERS_OF_MEMBER_MAX + MCP_HEADERS_MAX + 9)

enum body_form { BODY_UNKNOWN, BODY_JSON, BODY_EVENTS };

struct event {
    struct list link;
    char *json;
    size_t bytes;
};

struct exchange {
    const struct mcp_post *post;
    struct mcp_posted *out;
    struct http_header headers[HEADERS_MAX];
    size_t headers_count;
    char *url;
    int64_t heard_ms;

    /* of the transfer's fiber */
    struct fiber *fiber;
    enum body_form form;
    struct buf json;
    struct sse_reader events;
    struct list queue; /* of event.link */
    size_t queued_bytes;
    int result;
    struct error error;
    struct http_response response;
    bool ended;
    struct cond changed;
};

/* ---- the transfer ---- */

static void queue_event(struct exchange *x, struct text json)
{
    struct event *event = xcalloc(1, sizeof(*event));

    event->json = xstrndup(json.ptr, json.len);
    event->bytes = json.len;
    x->queued_bytes += json.len;
    list_add(&x->queue, &event->link);
    cond_broadcast(&x->changed);
}

static enum http_take take_events(struct exchange *x, struct text bytes)
{
    struct sse_event event;
    int r;

    while ((r = sse_next(&x->events, &bytes, &event, NULL)) == 0)
        if (event.data.len > 0)
            queue_event(x, event.data);
    return r < 0 || x->queued_bytes > STREAM_BYTES ? HTTP_TAKE_REFUSE : HTTP_TAKE_MORE;
}

/* Of which form a body is its first character says, whatever its header does. */
static enum http_take take(void *arg, struct text bytes)
{
    struct exchange *x = arg;

    if (x->form == BODY_UNKNOWN) {
        struct text trimmed = text_trim(bytes);

        if (trimmed.len == 0)
            return HTTP_TAKE_MORE;
        x->form = trimmed.ptr[0] == '{' || trimmed.ptr[0] == '[' ? BODY_JSON : BODY_EVENTS;
    }
    if (x->form == BODY_EVENTS)
        return take_events(x, bytes);
    buf_add_text(&x->json, bytes);
    return x->json.failed ? HTTP_TAKE_REFUSE : HTTP_TAKE_MORE;
}

static int find_addresses(const struct exchange *x, struct resolved *out, struct error *err)
{
    const struct mcp_reach *reach = x->post->reach;
    const char *host = reach->target.host;
    int r;

    if (!reach->guarded)
        return resolve_host(host, reach->target.port, x->post->deadline_ms, out, err);
    r = guard_resolve_named(&x->post->mcp->options.guard, host, reach->target.port,
                            x->post->deadline_ms, out, err);
    if (r == -E_DENIED || r == -E_INVALID) { /* a setting is at fault: no credentials, no reply */
        err->code = E_NOT_FOUND;
        return -E_NOT_FOUND;
    }
    return r == -E_TIMEOUT ? -E_UNAVAILABLE : r; /* asked again, as one that is away */
}

static int transfer(struct exchange *x, struct error *err)
{
    const struct mcp_post *post = x->post;
    struct resolved pins;
    struct http_call call = {
        .method = post->verb ? post->verb : "POST",
        .url = x->url,
        .headers = x->headers,
        .headers_count = x->headers_count,
        .body = post->body,
        .connect_timeout_ms = MCP_CONNECT_MS,
        .max_header_bytes = HEADER_BYTES,
        .max_body_bytes = STREAM_BYTES,
        .once = true,
        .on_body = take,
        .arg = x,
    };
    int r = find_addresses(x, &pins, err);

    if (r < 0)
        return r;
    call.total_timeout_ms = post->deadline_ms - clock_ms();
    if (call.total_timeout_ms <= 0)
        return error_set(err, E_UNAVAILABLE, "no time was left for the request");
    return http_call_pinned(post->mcp->options.http, &call, pins.addresses, pins.count,
                            &x->response, err);
}

static void transfer_fiber(void *arg)
{
    struct exchange *x = arg;

    x->result = transfer(x, &x->error);
    x->ended = true;
    cond_broadcast(&x->changed);
}

/* ---- what has come ---- */

static void answer_server(const struct exchange *x, const struct mcp_incoming *message)
{
    CLEANUP(buf_deinit) struct buf body = {0};
    struct mcp_post reply = *x->post;

    buf_init(&body, 0);
    mcp_reply_write(message->whose, message->method, &body);
    reply.id = 0;
    reply.body = buf_text(&body);
    reply.more_count = 0;
    if (!body.failed)
        mcp_post_later(&reply);
}

/* Returns whether it is the answer. What is no message is passed over: it may be of a kind that
 * comes in newer versions. */
static bool take_message(struct exchange *x, struct text json)
{
    struct mcp_incoming message;
    struct error err;

    if (x->out->has_message || mcp_message_read(json, &message, &err) < 0)
        return false;
    if (message.kind == MCP_RESPONSE &&
        (message.id == x->post->id || (message.id == 0 && message.is_error))) {
        x->out->message = message;
        x->out->has_message = true;
        return true;
    }
    if (mcp_is_progress(&message, x->post->id))
        x->heard_ms = clock_ms();
    x->out->list_changed |= mcp_is_list_changed(&message);
    if (message.kind == MCP_REQUEST && x->post->era == MCP_ERA_LEGACY)
        answer_server(x, &message);
    mcp_incoming_deinit(&message);
    return false;
}

static void empty_queue(struct exchange *x)
{
    struct list *item;

    while ((item = list_pop(&x->queue))) {
        struct event *event = CONTAINER_OF(item, struct event, link);

        x->queued_bytes -= event->bytes;
        take_message(x, (struct text){event->json, event->bytes});
        free(event->json);
        free(event);
    }
}

static int out_of_patience(const struct exchange *x, struct error *err)
{
    return error_set(err, E_TIMEOUT, "the server did not answer within %.1f seconds",
                     (double)(clock_ms() - x->heard_ms) / 1000);
}

/* Until the answer is there, the transfer has ended, or patience has. */
static int follow(struct exchange *x, struct error *err)
{
    for (;;) {
        int64_t limit_ms;
        int r;

        empty_queue(x);
        if (x->out->has_message || x->ended)
            return 0;
        limit_ms = deadline_min(x->post->deadline_ms, x->heard_ms + x->post->idle_ms);
        if (clock_ms() >= limit_ms)
            return out_of_patience(x, err);
        r = cond_wait(&x->changed, limit_ms, err);
        if (r < 0 && r != -E_TIMEOUT)
            return r;
    }
}

/* An answer of a stream is there before the transfer ends, and its head is wanted for a session. */
static void wait_for_head(struct exchange *x)
{
    int64_t until_ms = deadline_in(END_MS);

    if (strcmp(x->post->method, "initialize") != 0)
        return;
    while (!x->ended && cond_wait(&x->changed, until_ms, NULL) == 0)
        ;
}

static void read_head(struct exchange *x)
{
    struct text session = http_response_header(&x->response, "mcp-session-id");

    x->out->status = x->response.status;
    if (session.len > 0 && session.len < MCP_SESSION_SIZE) {
        memcpy(x->out->session, session.ptr, session.len);
        x->out->session[session.len] = 0;
    }
}

static void read_body(struct exchange *x)
{
    struct sse_event event;
    struct text text = text_trim(buf_text(&x->json));

    if (x->form == BODY_EVENTS && sse_end(&x->events, &event) && event.data.len > 0)
        take_message(x, event.data);
    if (x->form == BODY_JSON)
        take_message(x, text);
    if (!x->out->has_message && x->form == BODY_JSON)
        text_excerpt(text, x->out->said, sizeof(x->out->said));
}

/* Returns as mcp_post. */
static int finish(struct exchange *x, int r, struct error *err)
{
    if (r == 0)
        wait_for_head(x);
    if (!x->ended)
        fiber_cancel(x->fiber);
    fiber_join(x->fiber);
    if (r < 0)
        return r;
    if (x->result == 0) {
        read_head(x);
        read_body(x);
    } else if (x->out->has_message) {
        x->out->status = 200; /* its stream was ended here */
    } else {
        *err = x->error;
        return x->result;
    }
    empty_queue(x);
    return 0;
}

static int exchange_once(struct exchange *x, struct error *err)
{
    x->form = BODY_UNKNOWN;
    x->ended = false;
    x->response = (struct http_response){0};
    x->heard_ms = clock_ms();
    x->fiber = fiber_start("mcp-post", transfer_fiber, x);
    return finish(x, follow(x, err), err);
}

/* ---- redirects ---- */

static bool is_redirect(int status)
{
    return status == 307 || status == 308;
}

/* The url that it leads to, where that is the same server's. */
static int redirected(struct exchange *x, struct error *err)
{
    const struct http_target *from = &x->post->reach->target;
    CLEANUP(buf_deinit) struct buf url = {0};
    CLEANUP(http_target_deinit) struct http_target to = {.url = NULL};
    struct text location = http_response_header(&x->response, "location");
    const char *path = strchr(strstr(from->url, "://") + 3, '/');
    int r;

    buf_init(&url, HTTP_TARGET_URL_BYTES);
    if (location.len > 1 && location.ptr[0] == '/' && location.ptr[1] != '/')
        buf_add(&url, from->url, path ? (size_t)(path - from->url) : strlen(from->url));
    buf_add_text(&url, location);
    r = http_target_parse(buf_string(&url), &to, err);
    if (r < 0 || to.port != from->port || strcmp(to.host, from->host) != 0 ||
        strncmp(to.url, from->url, 5) != 0)
        return error_set(err, E_DENIED,
                         "the server answered %d, a redirect to another server, which is not "
                         "followed",
                         x->out->status);
    free(x->url);
    x->url = xstrdup(to.url);
    return 0;
}

/* ---- headers ---- */

static void add_header(struct exchange *x, const char *name, struct text value)
{
    ASSERT(x->headers_count < HEADERS_MAX);
    if (value.ptr)
        x->headers[x->headers_count++] = (struct http_header){text_of(name), value};
}

static void add_headers(struct exchange *x)
{
    const struct mcp_post *post = x->post;

    for (size_t i = 0; i < post->reach->headers_count; i++)
        x->headers[x->headers_count++] = post->reach->headers[i];
    if (post->reach->bearer.len > 0)
        add_header(x, "Authorization", buf_text(&post->reach->bearer));
    add_header(x, "Content-Type", TEXT("application/json"));
    add_header(x, "Accept", TEXT("application/json, text/event-stream"));
    if (post->era == MCP_ERA_LEGACY) {
        add_header(x, "MCP-Protocol-Version", text_of(post->version));
        add_header(x, "Mcp-Session-Id", post->session[0] ? text_of(post->session) : TEXT_NONE);
        return;
    }
    add_header(x, "MCP-Protocol-Version", TEXT(MCP_VERSION_MODERN));
    add_header(x, "Mcp-Method", text_of(post->method));
    add_header(x, "Mcp-Name", post->name);
    for (size_t i = 0; i < post->more_count && i < MCP_HEADERS_MAX; i++)
        x->headers[x->headers_count++] = post->more[i];
}

static int exchange(struct exchange *x, struct error *err)
{
    int r = exchange_once(x, err);

    for (int i = 0; r == 0 && is_redirect(x->out->status) && i < REDIRECTS_MAX; i++) {
        r = redirected(x, err);
        http_response_deinit(&x->response);
        buf_reset(&x->json);
        x->out->status = 0;
        if (r == 0)
            r = exchange_once(x, err);
    }
    return r;
}

int mcp_post(const struct mcp_post *post, struct mcp_posted *out, struct error *err)
{
    struct exchange x = {.post = post, .out = out};
    int r;

    *out = (struct mcp_posted){.status = 0};
    buf_init(&x.json, MCP_MESSAGE_BYTES);
    sse_init(&x.events, MCP_MESSAGE_BYTES);
    list_init(&x.queue);
    cond_init(&x.changed);
    x.url = xstrdup(post->reach->target.url);
    add_headers(&x);
    r = exchange(&x, err);
    empty_queue(&x);
    http_response_deinit(&x.response);
    explicit_bzero(x.url, strlen(x.url));
    free(x.url);
    sse_deinit(&x.events);
    buf_deinit(&x.json);
    if (r < 0)
        mcp_posted_deinit(out);
    return r;
}

void mcp_posted_deinit(struct mcp_posted *posted)
{
    if (posted->has_message)
        mcp_incoming_deinit(&posted->message);
    posted->has_message = false;
}

/* ---- messages that nobody waits for ---- */

struct errand {
    struct mcp_post post;
    struct mcp_reach reach;
    struct buf values; /* of headers, and the body */
    char version[MCP_VERSION_SIZE];
    char session[MCP_SESSION_SIZE];
};

static void run_errand(void *arg)
{
    struct errand *errand = arg;
    struct mcp *mcp = errand->post.mcp;
    struct mcp_posted posted;
    struct error err;

    if (mcp_post(&errand->post, &posted, &err) == 0)
        mcp_posted_deinit(&posted);
    explicit_bzero(errand->reach.target.url, strlen(errand->reach.target.url));
    http_target_deinit(&errand->reach.target);
    secret_buf_wipe(&errand->values);
    if (errand->reach.bearer.len > 0)
        secret_buf_wipe(&errand->reach.bearer);
    free(errand);
    mcp_errand_end(mcp);
}

static struct text keep(struct errand *errand, struct text text)
{
    size_t begin = errand->values.len;

    buf_add_text(&errand->values, text);
    return (struct text){errand->values.ptr + begin, text.len};
}

static size_t bytes_of(const struct mcp_post *post)
{
    size_t bytes = post->body.len + 1;

    for (size_t i = 0; i < post->reach->headers_count; i++)
        bytes += post->reach->headers[i].value.len + post->reach->headers[i].name.len;
    return bytes;
}

/* With copies of all that the original borrows. */
void mcp_post_later(const struct mcp_post *post)
{
    struct errand *errand = xcalloc(1, sizeof(*errand));
    const struct mcp_reach *from = post->reach;
    struct mcp_reach *to = &errand->reach;

    secret_buf_init(&errand->values, bytes_of(post));
    errand->post = *post;
    errand->post.reach = to;
    errand->post.body = keep(errand, post->body);
    errand->post.name = TEXT_NONE;
    errand->post.deadline_ms = deadline_in(MCP_ERRAND_MS);
    errand->post.idle_ms = MCP_ERRAND_MS;
    if (post->version)
        memcpy(errand->version, post->version, strlen(post->version) + 1);
    errand->post.version = post->version ? errand->version : NULL;
    memcpy(errand->session, post->session, strlen(post->session) + 1);
    errand->post.session = errand->session;
    to->guarded = from->guarded;
    if (from->bearer.len > 0) {
        secret_buf_init(&to->bearer, from->bearer.len + 1);
        buf_add_text(&to->bearer, buf_text(&from->bearer));
    }
    to->target = from->target;
    to->target.url = xstrdup(from->target.url);
    to->headers_count = from->headers_count;
    for (size_t i = 0; i < from->headers_count; i++)
        to->headers[i] = (struct http_header){keep(errand, from->headers[i].name),
                                              keep(errand, from->headers[i].value)};
    if (mcp_errand(post->mcp, run_errand, errand))
        return;
    http_target_deinit(&to->target);
    secret_buf_wipe(&errand->values);
    if (errand->reach.bearer.len > 0)
        secret_buf_wipe(&errand->reach.bearer);
    free(errand);
}
