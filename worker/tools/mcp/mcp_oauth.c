/* Tokens by OAuth 2.1's client credentials: one a server and its client, shared by the runs of a
 * worker, in its memory until shortly before it expires.
 *
 * Of those who need one at the same time one asks, and the others take what came of that, be it a
 * token that is good for no longer than now (expires_in 0) or a failure: so an authorization server
 * that is slow or broken is asked once for any number of runs. Nothing that it says is told but its
 * word for an error, where the standards have it: what else is in there may be a secret.
 */

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/check/header_rules.h"
#include "shared/fiber/fiber.h"
#include "shared/json/json.h"
#include "shared/secrets/envelope.h"
#include "shared/text/base64.h"
#include "worker/tools/mcp/mcp_internal.h"

#define ANSWER_BYTES   ((size_t)64 << 10)
#define HEADER_BYTES   ((size_t)32 << 10)
#define TOKEN_BYTES    ((size_t)16 << 10)
#define ASK_MS         10000
#define EARLY_MS       30000 /* before its end a token is not used any more, */
#define LIFE_UNSAID_MS 300000
#define LIFE_MAX_MS    86400000

/* ---- one request ---- */

static int find_addresses(const struct mcp_oauth_request *request, const struct http_target *target,
                          int64_t deadline_ms, struct resolved *out, struct error *err)
{
    int r;

    if (!request->guarded)
        return resolve_host(target->host, target->port, deadline_ms, out, err);
    r = guard_resolve_named(&request->mcp->options.guard, target->host, target->port, deadline_ms,
                            out, err);
    if (r == -E_DENIED) { /* a setting is at fault, and no credentials */
        err->code = E_INVALID;
        return -E_INVALID;
    }
    return r;
}

static int send_to(const struct mcp_oauth_request *request, const struct http_target *target,
                   struct http_response *out, struct error *err)
{
    int64_t deadline_ms = deadline_min(request->deadline_ms, deadline_in(ASK_MS));
    struct resolved pins;
    struct http_call call = {
        .method = request->method,
        .url = target->url,
        .headers = request->headers,
        .headers_count = request->headers_count,
        .body = request->body,
        .connect_timeout_ms = MCP_CONNECT_MS,
        .max_header_bytes = HEADER_BYTES,
        .max_body_bytes = ANSWER_BYTES,
        .once = true,
    };
    int r = find_addresses(request, target, deadline_ms, &pins, err);

    if (r < 0)
        return r;
    call.total_timeout_ms = deadline_ms - clock_ms();
    if (call.total_timeout_ms <= 0)
        return error_set(err, E_TIMEOUT, "no time was left for it");
    return http_call_pinned(request->mcp->options.http, &call, pins.addresses, pins.count, out,
                            err);
}

int mcp_oauth_ask(const struct mcp_oauth_request *request, struct http_response *out,
                  struct error *err)
{
    CLEANUP(http_target_deinit) struct http_target target = {.url = NULL};
    int r = http_target_parse(request->url, &target, err);

    if (r == 0)
        r = send_to(request, &target, out, err);
    if (r == -E_TIMEOUT || r == -E_CLOSED) { /* nothing was asked of the server itself */
        err->code = E_UNAVAILABLE;
        r = -E_UNAVAILABLE;
    }
    return r < 0 && r != -E_CANCELED ? error_wrap(err, "the authorization server") : r;
}

/* ---- a token ---- */

struct getting {
    const struct mcp_reach *reach;
    struct mcp_token_place place;
    struct buf body;
    struct buf basic;
};

static void add_field(struct buf *body, const char *name, struct text value)
{
    if (!value.ptr)
        return;
    buf_printf(body, "%s%s=", body->len ? "&" : "", name);
    mcp_add_encoded(body, value);
}

static void write_body(struct getting *getting)
{
    const struct mcp_client *client = &getting->reach->client;

    add_field(&getting->body, "grant_type", TEXT("client_credentials"));
    add_field(&getting->body, "scope", client->scopes);
    add_field(&getting->body, "resource", text_of(getting->reach->target.url));
    if (!getting->place.in_body)
        return;
    add_field(&getting->body, "client_id", client->id);
    add_field(&getting->body, "client_secret", client->secret);
}

/* RFC 6749, 2.3.1: both are encoded as in a form, then together in base64. */
static void write_basic(struct getting *getting)
{
    const struct mcp_client *client = &getting->reach->client;
    struct buf pair;
    char *encoded;

    secret_buf_init(&pair, (client->id.len + client->secret.len) * 3 + 2);
    mcp_add_encoded(&pair, client->id);
    buf_add_char(&pair, ':');
    mcp_add_encoded(&pair, client->secret);
    encoded = xcalloc(pair.len / 3 + 2, 4);
    *base64_put(encoded, (const uint8_t *)pair.ptr, pair.len) = '\0';
    buf_add_string(&getting->basic, "Basic ");
    buf_add_string(&getting->basic, encoded);
    explicit_bzero(encoded, strlen(encoded));
    free(encoded);
    secret_buf_wipe(&pair);
}

/* Of RFC 6749 (5.2 and 4.1.2.1) and RFC 8707. */
static const char *const known_words[] = {
    "invalid_request",        "invalid_client",          "invalid_grant", "invalid_scope",
    "invalid_target",         "access_denied",           "server_error",  "unauthorized_client",
    "unsupported_grant_type", "temporarily_unavailable",
};

/* "invalid_client": the one thing of the answer that is told, where it is one of these: others may
 * be what was sent. */
static int refused(int status, struct json_object *answer, struct error *err)
{
    struct text said = json_get_text(answer, "error");
    const char *word = NULL;

    for (size_t i = 0; !word && i < ARRAY_LENGTH(known_words); i++)
        if (text_is(said, known_words[i]))
            word = known_words[i];
    if (status >= 500 || status == 429)
        return error_set(err, E_UNAVAILABLE, "the authorization server answered %d", status);
    return error_set(err, E_DENIED, "the authorization server answered %d%s%s and gives no token",
                     status, word ? ", " : "", word ? word : "");
}

static int64_t life_of(struct json_object *answer)
{
    struct json_object *said = json_get(answer, "expires_in");
    int64_t seconds = said ? json_object_get_int64(said) : 0; /* some write it as a string */
    int64_t life_ms;

    if (!said)
        return LIFE_UNSAID_MS;
    if (seconds <= 0)
        return 0;
    life_ms = seconds > LIFE_MAX_MS / 1000 ? LIFE_MAX_MS : seconds * 1000;
    return life_ms >= 2 * EARLY_MS ? life_ms - EARLY_MS : life_ms / 2;
}

static int take_token(struct mcp_token *token, const struct http_response *response,
                      int64_t sent_ms, struct error *err)
{
    CLEANUP(json_freep) struct json_object *answer = NULL;
    int r = json_decode(response->body, JSON_DEPTH_DEFAULT, &answer, NULL);
    struct text type = json_get_text(answer, "token_type");
    struct text value = json_get_text(answer, "access_token");

    if (response->status < 200 || response->status > 299)
        return refused(response->status, answer, err);
    if (r < 0 || value.len == 0 || value.len > TOKEN_BYTES || !header_value_fits(value) ||
        (type.ptr && !text_is_nocase(type, "bearer")))
        return error_set(err, E_PROTOCOL,
                         "the authorization server answered with something that is no token");
    mcp_token_forget(token);
    token->value = xcalloc(1, value.len + sizeof("Bearer "));
    memcpy(token->value, "Bearer ", 7);
    memcpy(token->value + 7, value.ptr, value.len);
    token->until_ms = sent_ms + life_of(answer);
    return 0;
}

static int ask_token(struct mcp_server *server, struct getting *getting, int64_t deadline_ms,
                     struct error *err)
{
    struct http_header headers[3] = {
        {TEXT("Content-Type"), TEXT("application/x-www-form-urlencoded")},
        {TEXT("Accept"), TEXT("application/json")},
    };
    struct mcp_oauth_request request = {
        .mcp = server->mcp,
        .method = "POST",
        .headers = headers,
        .headers_count = 2,
        .guarded = getting->place.guarded,
        .deadline_ms = deadline_ms,
    };
    struct http_response response = {0};
    int64_t sent_ms = clock_ms();
    int r;

    write_body(getting);
    if (!getting->place.in_body) {
        write_basic(getting);
        headers[request.headers_count++] =
            (struct http_header){TEXT("Authorization"), buf_text(&getting->basic)};
    }
    request.url = buf_string(&getting->place.url);
    request.body = buf_text(&getting->body);
    r = mcp_oauth_ask(&request, &response, err);
    if (r < 0)
        return r;
    r = take_token(&server->token, &response, sent_ms, err);
    if (response.body_storage)
        explicit_bzero(response.body_storage, response.body.len);
    http_response_deinit(&response);
    return r;
}

static int get_token(struct mcp_server *server, const struct mcp_reach *reach, int64_t deadline_ms,
                     struct error *err)
{
    const struct mcp_client *client = &reach->client;
    struct getting getting = {.reach = reach, .place = {.guarded = reach->guarded}};
    int r = 0;

    buf_init(&getting.place.url, HTTP_TARGET_URL_BYTES);
    secret_buf_init(&getting.body, (client->id.len + client->secret.len + client->scopes.len) * 3 +
                                       strlen(reach->target.url) * 3 + 200);
    secret_buf_init(&getting.basic, (client->id.len + client->secret.len) * 4 + 32);
    if (client->token_url.ptr)
        buf_add_text(&getting.place.url, client->token_url);
    else
        r = mcp_oauth_find(server->mcp, reach, deadline_ms, &getting.place, err);
    if (r == 0)
        r = ask_token(server, &getting, deadline_ms, err);
    buf_deinit(&getting.place.url);
    secret_buf_wipe(&getting.body);
    secret_buf_wipe(&getting.basic);
    return r;
}

/* ---- who needs one ---- */

/* What the server says back of it is taken out, too. */
static void put(const struct mcp_token *token, struct mcp_reach *reach)
{
    struct known_secret known[HTTP_TOOL_SECRETS_MAX + 2];
    struct text value = text_of(token->value);
    size_t count = 0;

    if (reach->bearer.len > 0)
        secret_buf_wipe(&reach->bearer);
    secret_buf_init(&reach->bearer, value.len + 1);
    buf_add_text(&reach->bearer, value);
    for (; count < reach->secrets.count; count++)
        known[count] = reach->secrets.items[count];
    if (value.len >= 7 + 8) /* what is shorter could not be told from ordinary words */
        known[count++] = (struct known_secret){TEXT("of OAuth"), {value.ptr + 7, value.len - 7}};
    if (reach->configured)
        known[count++] = (struct known_secret){TEXT("of OAuth"), reach->client.secret};
    redactor_free(reach->redactor);
    reach->redactor = redactor_new(known, count);
}

static int ask_for_all(struct mcp_server *server, const struct mcp_reach *reach,
                       int64_t deadline_ms, struct error *err)
{
    struct mcp_token *token = &server->token;

    token->asking = true;
    token->result = get_token(server, reach, deadline_ms, err);
    if (token->result < 0)
        token->error = *err;
    token->asking = false;
    token->round++;
    cond_broadcast(&server->changed);
    return token->result;
}

int mcp_token_use(struct mcp_server *server, struct mcp_reach *reach, int64_t deadline_ms,
                  struct error *err)
{
    struct mcp_token *token = &server->token;
    uint64_t round = token->round;
    int r = 0;

    while (r == 0) {
        bool waited = token->round != round;

        if (waited && token->result < 0 && token->result != -E_CANCELED)
            return error_set(err, token->error.code, "%s", token->error.text);
        if (token->value && (waited || clock_ms() < token->until_ms)) {
            put(token, reach);
            return 0;
        }
        round = token->round;
        if (token->asking)
            r = cond_wait(&server->changed, deadline_ms, err);
        else
            r = ask_for_all(server, reach, deadline_ms, err);
    }
    return r;
}

void mcp_token_refused(struct mcp_server *server, const struct mcp_reach *reach)
{
    if (server->token.value && text_is(buf_text(&reach->bearer), server->token.value))
        mcp_token_forget(&server->token);
}

void mcp_token_forget(struct mcp_token *token)
{
    if (token->value)
        explicit_bzero(token->value, strlen(token->value));
    free(token->value);
    token->value = NULL;
}
