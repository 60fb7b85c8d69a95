/* One request of a server, whatever its era.
 *
 *   era unknown ──► the request, as of the newer era ──► answered: it is of that era
 *                                     │
 *                                     ▼ refused, before anything was done
 *   era of sessions ──► initialize, unless there is a session ──► the request
 *                            ▲                                       │
 *                            └──── the session is lost (once) ◄──────┘
 *
 * What is known of a server's era is forgotten when it does not hold any more: servers are updated.
 * A request is sent again only where the server has said that it did nothing; or where its
 * connection was cut, and doing it twice does no harm.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "worker/tools/mcp/mcp_internal.h"

#define ROUNDS_MAX   6 /* the era found, the session lost, each once, and what is between */
#define SESSIONS_MAX 1000

/* With a server of the older era. */
struct mcp_session {
    struct list link;
    struct uuid scope;
    char id[MCP_SESSION_SIZE]; /* "": the server has no names for them */
    char version[MCP_VERSION_SIZE];
    int64_t used_ms;
    size_t users;
    bool opening;
    bool open;
};

/* ---- sessions ---- */

static void free_session(struct mcp_server *server, struct mcp_session *session)
{
    list_remove(&session->link);
    server->sessions_count--;
    free(session);
}

void mcp_sessions_sweep(struct mcp_server *server, int64_t idle_ms)
{
    int64_t before_ms = clock_ms() - idle_ms;

    list_for_each_safe (item, &server->sessions) {
        struct mcp_session *session = CONTAINER_OF(item, struct mcp_session, link);

        if (session->users == 0 && session->used_ms <= before_ms)
            free_session(server, session);
    }
}

static struct mcp_session *find_session(struct mcp_server *server, struct uuid scope)
{
    list_for_each (item, &server->sessions) {
        struct mcp_session *session = CONTAINER_OF(item, struct mcp_session, link);

        if (memcmp(&session->scope, &scope, sizeof(scope)) == 0)
            return session;
    }
    return NULL;
}

/* Of those that nobody uses the one that was used longest ago makes room. */
static void make_room(struct mcp_server *server)
{
    struct mcp_session *oldest = NULL;

    list_for_each (item, &server->sessions) {
        struct mcp_session *session = CONTAINER_OF(item, struct mcp_session, link);

        if (session->users == 0 && (!oldest || session->used_ms < oldest->used_ms))
            oldest = session;
    }
    if (oldest)
        free_session(server, oldest);
}

static struct mcp_session *add_session(struct mcp_server *server, struct uuid scope)
{
    struct mcp_session *session = xcalloc(1, sizeof(*session));

    if (server->sessions_count >= SESSIONS_MAX)
        make_room(server);
    session->scope = scope;
    list_add(&server->sessions, &session->link);
    server->sessions_count++;
    return session;
}

/* ---- one message ---- */

/* What the exchange of one round needs. */
struct round {
    struct mcp_asking *asking;
    enum mcp_era era;
    struct mcp_session *session; /* of the older era */
    struct http_header more[MCP_HEADERS_MAX];
    size_t more_count;
    struct buf values; /* of these */
};

static struct mcp_post post_of(const struct round *round, const char *method, struct text body)
{
    const struct mcp_asking *asking = round->asking;
    const struct mcp_session *session = round->session;

    return (struct mcp_post){
        .mcp = asking->server->mcp,
        .reach = asking->reach,
        .era = round->era,
        .version = session && session->version[0] ? session->version : NULL,
        .session = session ? session->id : "",
        .method = method,
        .body = body,
        .idle_ms = asking->idle_ms,
        .deadline_ms = asking->deadline_ms,
    };
}

static bool is_plain(struct text value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < ' ' || value.ptr[i] > '~')
            return false;
    return value.len > 0 && value.ptr[0] != ' ' && value.ptr[value.len - 1] != ' ' &&
           !text_starts(value, "=?base64?");
}

static void add_base64(struct buf *out, struct text value)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < value.len; i += 3) {
        size_t left = value.len - i;
        uint32_t group = (uint32_t)(unsigned char)value.ptr[i] << 16;

        if (left > 1)
            group |= (uint32_t)(unsigned char)value.ptr[i + 1] << 8;
        if (left > 2)
            group |= (unsigned char)value.ptr[i + 2];
        buf_add_char(out, letters[group >> 18]);
        buf_add_char(out, letters[(group >> 12) & 63]);
        buf_add_char(out, left > 1 ? letters[(group >> 6) & 63] : '=');
        buf_add_char(out, left > 2 ? letters[group & 63] : '=');
    }
}

/* Headers that repeat an argument, for whoever routes requests without reading them. */
static void add_arguments(struct round *round)
{
    struct json_object *headers = round->asking->headers;

    if (!headers || round->era == MCP_ERA_LEGACY)
        return;
    json_object_object_foreach(headers, name, property)
    {
        struct json_object *value =
            json_get(round->asking->arguments, json_object_get_string(property));
        struct text text = json_string(value).ptr ? json_string(value) : json_text(value);
        size_t begin = round->values.len;

        if (!value || round->more_count >= MCP_HEADERS_MAX || text.len > 4096)
            continue;
        if (is_plain(text)) {
            buf_add_text(&round->values, text);
        } else {
            buf_add_string(&round->values, "=?base64?");
            add_base64(&round->values, text);
            buf_add_string(&round->values, "?=");
        }
        round->more[round->more_count++] = (struct http_header){
            text_of(name), {round->values.ptr + begin, round->values.len - begin}};
    }
}

/* The server is told that nobody waits any more. Of the newer era it is, by the end of the
 * connection. */
static void tell_cancelled(const struct round *round, int64_t id)
{
    CLEANUP(buf_deinit) struct buf members = {0};
    CLEANUP(buf_deinit) struct buf body = {0};
    struct mcp_outgoing message = {.era = MCP_ERA_LEGACY, .method = "notifications/cancelled"};
    struct mcp_post post;

    if (round->era != MCP_ERA_LEGACY)
        return;
    buf_init(&members, 0);
    buf_init(&body, 0);
    buf_printf(&members, "\"requestId\":%lld,\"reason\":\"nobody waits for it any more\"",
               (long long)id);
    message.members = buf_text(&members);
    mcp_message_write(&message, &body);
    post = post_of(round, message.method, buf_text(&body));
    mcp_post_later(&post);
}

static int64_t next_id(struct mcp *mcp)
{
    return (int64_t)++mcp->next_id;
}

static int send_request(struct round *round, struct mcp_posted *out, struct error *err)
{
    struct mcp_asking *asking = round->asking;
    CLEANUP(buf_deinit) struct buf body = {0};
    struct mcp_outgoing message = {
        .era = round->era,
        .id = next_id(asking->server->mcp),
        .method = asking->method,
        .members = asking->members,
        .progress = asking->progress,
        .traceparent = asking->traceparent,
    };
    struct mcp_post post;
    int r;

    buf_init(&body, (size_t)4 << 20);
    mcp_message_write(&message, &body);
    r = buf_check(&body, err);
    if (r < 0)
        return r;
    add_arguments(round);
    post = post_of(round, message.method, buf_text(&body));
    post.name = asking->name;
    post.more = round->more;
    post.more_count = round->more_count;
    post.id = message.id;
    asking->sent = true;
    r = mcp_post(&post, out, err);
    asking->unauthorized = r == 0 && out->status == 401;
    if (r == -E_CANCELED || r == -E_TIMEOUT)
        tell_cancelled(round, message.id);
    if (r == -E_UNAVAILABLE || r == -E_DENIED || r == -E_NOT_FOUND)
        asking->sent = false;
    return r;
}

/* ---- opening ---- */

/* What a server says with a status that is none of success. */
static int refused(const struct mcp_posted *posted, struct error *err)
{
    char said[160];
    int code = posted->status >= 500 || posted->status == 429 ? E_CLOSED : E_PROTOCOL;

    if (posted->has_message && posted->message.is_error)
        text_excerpt(posted->message.said, said, sizeof(said));
    else
        memcpy(said, posted->said, sizeof(said));
    if (posted->status >= 200 && posted->status < 300)
        return error_set(err, E_CLOSED, "the server ended its answer without a message of MCP");
    if (posted->status >= 300 && posted->status < 400)
        return error_set(err, E_DENIED, "the server answered %d, a redirect too many",
                         posted->status);
    return error_set(err, code, "the server answered %d%s%s", posted->status, said[0] ? ": " : "",
                     said);
}

static int denied(const struct mcp_posted *posted, struct error *err)
{
    return error_set(err, E_DENIED,
                     "the server answered %d: the credentials for it are missing, or not right",
                     posted->status);
}

static int read_opened(const struct mcp_posted *posted, struct mcp_session *session,
                       struct error *err)
{
    if (posted->status == 401 || posted->status == 403)
        return denied(posted, err);
    if (posted->status < 200 || posted->status >= 300 || !posted->has_message)
        return refused(posted, err);
    if (posted->message.is_error)
        return error_set(err, E_PROTOCOL, "the server opens no session: %.120s",
                         posted->message.said.ptr ? posted->message.said.ptr : "no reason");
    if (!mcp_version_chosen(posted->message.result, session->version))
        return error_set(err, E_PROTOCOL, "the server speaks a version of MCP that is not known");
    memcpy(session->id, posted->session, sizeof(session->id));
    return 0;
}

static int open_session(struct round *round, struct error *err)
{
    struct mcp *mcp = round->asking->server->mcp;
    CLEANUP(buf_deinit) struct buf body = {0};
    struct mcp_outgoing ready = {.era = MCP_ERA_LEGACY, .method = "notifications/initialized"};
    struct mcp_posted posted;
    struct mcp_post post;
    int64_t id = next_id(mcp);
    int r;

    buf_init(&body, 0);
    mcp_initialize_write(id, &body);
    round->session->id[0] = round->session->version[0] = 0;
    post = post_of(round, "initialize", buf_text(&body));
    post.id = id;
    post.idle_ms = MCP_OPEN_MS;
    post.deadline_ms = deadline_min(post.deadline_ms, deadline_in(MCP_OPEN_MS));
    r = mcp_post(&post, &posted, err);
    if (r < 0)
        return r;
    round->asking->unauthorized = posted.status == 401;
    r = read_opened(&posted, round->session, err);
    mcp_posted_deinit(&posted);
    if (r < 0)
        return r;
    mcp->stats.sessions++;
    buf_reset(&body);
    mcp_message_write(&ready, &body);
    post = post_of(round, ready.method, buf_text(&body));
    post.idle_ms = MCP_OPEN_MS;
    post.deadline_ms = deadline_min(post.deadline_ms, deadline_in(MCP_OPEN_MS));
    r = mcp_post(&post, &posted, err);
    if (r == 0)
        mcp_posted_deinit(&posted);
    return r;
}

/* One fiber opens it, others of the same scope wait. */
static int have_session(struct round *round, struct error *err)
{
    struct mcp_server *server = round->asking->server;
    struct mcp_session *session = round->session;
    int r = 0;

    while (r == 0 && session->opening)
        r = cond_wait(&server->changed, round->asking->deadline_ms, err);
    if (r < 0 || session->open)
        return r;
    session->opening = true;
    r = open_session(round, err);
    session->opening = false;
    session->open = r == 0;
    cond_broadcast(&server->changed);
    return r;
}

/* ---- rounds ---- */

enum { ASK_AGAIN = 1 };

struct course {
    bool guessed;  /* the era was not known when it began */
    bool lost;     /* a session was, already */
    bool repeated; /* behind a cut connection */
};

/* What was known of its era does not hold: once more from the beginning. */
static int forget_era(struct mcp_asking *asking, struct course *course)
{
    course->guessed = true;
    asking->server->era = MCP_ERA_UNKNOWN;
    return ASK_AGAIN;
}

/* The newer era, or a guess. */
static int ask_newer(struct mcp_asking *asking, struct course *course, struct round *round,
                     struct error *err)
{
    struct mcp_server *server = asking->server;
    bool known = server->era == MCP_ERA_MODERN;
    struct mcp_posted posted;
    int r = send_request(round, &posted, err);
    enum mcp_verdict verdict;

    if (r < 0)
        return r;
    const struct mcp_http_answer answer = {
        .era = MCP_ERA_MODERN,
        .is_guess = !known,
        .status = posted.status,
        .message = posted.has_message ? &posted.message : NULL,
    };

    verdict = mcp_judge_http(&answer);
    if (known && posted.status >= 400 && posted.status < 500 && !course->guessed) {
        struct mcp_http_answer anew = answer;

        anew.is_guess = true;
        if (mcp_judge_http(&anew) == MCP_OTHER_ERA)
            verdict = MCP_OTHER_ERA;
    }
    if (posted.list_changed)
        mcp_list_forget(server);
    switch (verdict) {
    case MCP_ANSWERED:
        server->era = MCP_ERA_MODERN;
        asking->answer = posted.message;
        return 0;
    case MCP_OTHER_ERA:
        server->era = MCP_ERA_LEGACY;
        course->guessed = true;
        r = ASK_AGAIN;
        break;
    case MCP_NOT_ALLOWED:
        r = denied(&posted, err);
        break;
    case MCP_SESSION_LOST:
    case MCP_REFUSED:
        r = refused(&posted, err);
        break;
    }
    asking->sent = posted.status >= 500 || posted.status < 300;
    mcp_posted_deinit(&posted);
    return r;
}

static int judge_older(struct mcp_asking *asking, struct course *course, struct round *round,
                       struct mcp_posted *posted, struct error *err)
{
    const struct mcp_http_answer answer = {
        .era = MCP_ERA_LEGACY,
        .with_session = round->session->id[0] != 0,
        .status = posted->status,
        .message = posted->has_message ? &posted->message : NULL,
    };

    switch (mcp_judge_http(&answer)) {
    case MCP_ANSWERED:
        asking->answer = posted->message;
        posted->has_message = false;
        return 0;
    case MCP_SESSION_LOST:
        asking->server->mcp->stats.lost++;
        round->session->open = false;
        asking->sent = false;
        if (course->lost)
            return refused(posted, err);
        course->lost = true;
        return ASK_AGAIN;
    case MCP_NOT_ALLOWED:
        asking->sent = false;
        return denied(posted, err);
    case MCP_OTHER_ERA:
    case MCP_REFUSED:
        break;
    }
    if (posted->status >= 400 && posted->status < 500)
        asking->sent = false;
    return refused(posted, err);
}

/* The older era: `round->session` is held. */
static int ask_older(struct mcp_asking *asking, struct course *course, struct round *round,
                     struct error *err)
{
    struct mcp_posted posted;
    int r = have_session(round, err);

    if (r == -E_PROTOCOL && !course->guessed)
        return forget_era(asking, course);
    if (r < 0)
        return r;
    r = send_request(round, &posted, err);
    if (r < 0)
        return r;
    r = judge_older(asking, course, round, &posted, err);
    if (posted.list_changed && strcmp(asking->method, "tools/list") != 0)
        mcp_list_forget(asking->server);
    mcp_posted_deinit(&posted);
    return r;
}

static int ask_once(struct mcp_asking *asking, struct course *course, struct error *err)
{
    struct mcp_server *server = asking->server;
    struct round round = {.asking = asking, .era = MCP_ERA_MODERN};
    int r;

    buf_init(&round.values, 0);
    if (buf_reserve(&round.values, (size_t)64 << 10) == NULL)
        return error_set(err, E_LIMIT, "there is no room for the request");
    if (server->era == MCP_ERA_UNKNOWN)
        course->guessed = true;
    if (server->era != MCP_ERA_LEGACY) {
        r = ask_newer(asking, course, &round, err);
        buf_deinit(&round.values);
        return r;
    }
    round.era = MCP_ERA_LEGACY;
    round.session = find_session(server, asking->scope);
    if (!round.session)
        round.session = add_session(server, asking->scope);
    round.session->users++;
    r = ask_older(asking, course, &round, err);
    round.session->users--;
    round.session->used_ms = clock_ms();
    buf_deinit(&round.values);
    return r;
}

static int ask_in_rounds(struct mcp_asking *asking, struct error *err)
{
    struct course course = {.lost = false};
    int r = ASK_AGAIN;

    asking->sent = false;
    for (int i = 0; r == ASK_AGAIN && i < ROUNDS_MAX; i++) {
        r = ask_once(asking, &course, err);
        if (r == -E_CLOSED && asking->may_repeat && !course.repeated) {
            course.repeated = true;
            r = ASK_AGAIN;
        }
    }
    if (r == ASK_AGAIN)
        return error_set(err, E_PROTOCOL, "the server changes its mind about how it is spoken to");
    return r;
}

int mcp_ask(struct mcp_asking *asking, struct error *err)
{
    struct mcp_reach *reach = asking->reach;
    int r;

    if (reach->configured && !reach->configured->url)
        return mcp_process_ask(asking, err);
    if (!reach->client.id.ptr)
        return ask_in_rounds(asking, err);
    asking->sent = asking->unauthorized = false;
    r = mcp_token_use(asking->server, reach, asking->deadline_ms, err);
    if (r == 0)
        r = ask_in_rounds(asking, err);
    if (r != -E_DENIED || !asking->unauthorized)
        return r;
    /* It did nothing. The token may have been taken back: once more, with a new one. */
    asking->unauthorized = false;
    mcp_token_refused(asking->server, reach);
    r = mcp_token_use(asking->server, reach, asking->deadline_ms, err);
    return r == 0 ? ask_in_rounds(asking, err) : r;
}
