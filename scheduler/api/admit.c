/* Admitting requests.
 *
 * Whoever has no key is told so before anything is kept for him or asked of the database. Azure's
 * clients put "/openai" in front of the paths, leave out "/v1" or not, send the key in a header of
 * its own, and say which version of the API they mean: all of it is taken, and means the same.
 */

#include "scheduler/api/admit.h"

#include <stdio.h>

#include "scheduler/api/access/key_cache.h"
#include "scheduler/api/access/shares.h"
#include "scheduler/api/request.h"
#include "scheduler/api/unknown_url.h"
#include "shared/base/clock.h"
#include "shared/check/nearest.h"
#include "shared/store/access/tickets.h"
#include "shared/websocket/handshake.h"

enum { DATABASE_WAIT_MS = 2000, QUERY_MEMBERS_MAX = 16 };

/* Taken on every endpoint, and not looked at. */
static const char *const ignored_members[] = {"api-version", "include", "include[]", NULL};

/* "/openai/v1/threads" and "/openai/threads" are "/v1/threads". False: no room. */
static bool strip_prefix(struct http_exchange *exchange)
{
    static const char prefix[] = "/openai/";
    struct text rest = exchange->path;
    char *path;

    if (!text_starts(rest, prefix))
        return true;
    rest = (struct text){rest.ptr + sizeof(prefix) - 2, rest.len - sizeof(prefix) + 2};
    if (!text_starts(rest, "/v1/")) {
        path = arena_printf(&exchange->arena, "/v1%.*s", TEXT_ARGS(rest));
        if (!path)
            return false;
        rest = text_of(path);
    }
    exchange->path = rest;
    return true;
}

static int find_endpoint(struct request *request)
{
    struct http_exchange *exchange = request->exchange;
    const struct endpoints *endpoints = &request->api->endpoints;
    struct error err;
    char allow[64];
    int r = strip_prefix(exchange) ? 0 : error_set(&err, E_LIMIT, "it is too long");

    if (r == 0)
        r = endpoints_find(endpoints, exchange, &request->endpoint_place, allow, &err);
    if (r == 0) {
        request->endpoint = endpoints->items[request->endpoint_place];
        return 0;
    }
    request->endpoint_place = endpoints->count;
    if (r == ROUTE_NOT_FOUND)
        return refuse_unknown_url(request);
    if (r < 0)
        return failure_param(&request->failure, 400, NULL, NULL, "Malformed request URL: %s.",
                             err.text);
    return refuse_method(request, allow);
}

static int unauthorized(struct request *request, const char *code, const char *message)
{
    http_add_header(request->exchange, "WWW-Authenticate", TEXT("Bearer"));
    return failure_param(&request->failure, 401, NULL, code, "%s", message);
}

/* TEXT_NONE: there is none. */
static struct text key_of(const struct http_exchange *exchange)
{
    struct text header = text_trim(http_header_get(exchange, "authorization"));
    struct text scheme;
    struct text key;

    if (text_cut(header, ' ', &scheme, &key) && text_is_nocase(scheme, "bearer"))
        return text_trim(key);
    return text_trim(http_header_get(exchange, "api-key"));
}

/* A short absence is waited for, a longer one told soon: many that wait long would only pile up. */
static int wait_for_database(struct request *request)
{
    struct pg *pg = request->store.pg;
    struct error err;

    if (pg_is_ready(pg) || pg_wait_ready(pg, deadline_in(DATABASE_WAIT_MS), &err) == 0)
        return 0;
    return request_failed(request, &err);
}

/* In the query, or among the subprotocols of a WebSocket, since that is all that a page can set.
 * TEXT_NONE: there is none. */
static struct text ticket_of(struct http_exchange *exchange)
{
    static const char prefix[] = "ticket.";
    struct text offered = http_header_get(exchange, "sec-websocket-protocol");
    struct text name;

    while (websocket_protocol_next(&offered, &name))
        if (text_starts(name, prefix))
            return (struct text){name.ptr + sizeof(prefix) - 1, name.len - sizeof(prefix) + 1};
    return http_query_get(exchange, "ticket", 0);
}

/* A ticket is good once: it is taken, whatever comes of the request. */
static int take_ticket(struct request *request, struct text ticket)
{
    struct ticket_holder holder;
    struct error err;
    int r = wait_for_database(request);

    if (r < 0)
        return r;
    r = tickets_take(request->api->pg, ticket, &holder, &err);
    if (r == TICKET_MISSING)
        return unauthorized(request, "invalid_ticket",
                            "Incorrect ticket: it is good once, for half a minute. Get a new one "
                            "with POST /v1/tickets.");
    if (r < 0)
        return request_failed(request, &err);
    request->store.tenant = holder.tenant;
    request->key = holder.key;
    request->rates = holder.rates;
    request->by_ticket = true;
    request->ticket_thread = holder.thread;
    return 0;
}

static int no_key(struct request *request)
{
#define NO_KEY                                                                                     \
    "You didn't provide an API key. You need to provide your API key in an Authorization header "  \
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY). Make one with `penstock keys "       \
    "create`."

    if (request->endpoint->flags & ENDPOINT_TICKET)
        return unauthorized(request, NULL,
                            NO_KEY " A page sends a ticket instead: see POST /v1/tickets.");
    return unauthorized(request, NULL, NO_KEY);
#undef NO_KEY
}

static int authenticate(struct request *request)
{
    struct text key = key_of(request->exchange);
    struct text ticket = TEXT_NONE;
    struct key_owner owner;
    struct error err;
    int r;

    if (key.len == 0 && request->endpoint->flags & ENDPOINT_TICKET)
        ticket = ticket_of(request->exchange);
    if (ticket.ptr)
        return take_ticket(request, ticket);
    if (key.len == 0)
        return no_key(request);
    r = wait_for_database(request);
    if (r < 0)
        return r;
    r = key_cache_find(request->api->keys, request->api->pg, key, &owner, &err);
    if (r == KEY_MISSING)
        return unauthorized(request, "invalid_api_key",
                            "Incorrect API key provided. Make one with `penstock keys create`.");
    if (r < 0)
        return request_failed(request, &err);
    request->store.tenant = owner.tenant;
    request->key = owner.key;
    request->rates = owner.rates;
    return 0;
}

/* The bytes of "metadata[" where a table has "metadata[KEY]"; 0: the name is a plain one, as
 * "include[]" is. */
static size_t before_key(const char *known)
{
    const char *bracket = strstr(known, "[KEY]");

    return bracket ? (size_t)(bracket + 1 - known) : 0;
}

/* Of one with a key, whatever the key is. */
static bool is_of(const char *known, struct text name)
{
    size_t len = before_key(known);

    if (len == 0)
        return text_is(name, known);
    return name.len > len + 1 && memcmp(name.ptr, known, len) == 0 && text_ends(name, "]");
}

/* "metadata[]" where the table has "metadata[KEY]". */
static bool lacks_key(const char *known, struct text name)
{
    size_t len = before_key(known);

    return len > 0 && name.len == len + 1 && memcmp(name.ptr, known, len) == 0 &&
           text_ends(name, "]");
}

static bool is_known(const char *const *names, struct text name)
{
    for (; names && *names; names++)
        if (is_of(*names, name))
            return true;
    return false;
}

static int unknown_member(struct request *request, struct text name)
{
    const char *names[QUERY_MEMBERS_MAX];
    const char *const *known = request->endpoint->query;
    const char *near;
    char shown[64];
    char list[256];
    size_t count = 0;

    for (; known && *known; known++) {
        ASSERT(count < QUERY_MEMBERS_MAX);
        names[count++] = *known;
    }
    text_excerpt(name, shown, sizeof(shown));
    for (size_t i = 0; i < count; i++)
        if (lacks_key(names[i], name))
            return failure_param(&request->failure, 400, shown, "invalid_value",
                                 "Invalid '%s': it names no key. Expected %s=VALUE.", shown,
                                 names[i]);
    near = nearest_word(shown, names, count);
    if (near)
        return failure_param(&request->failure, 400, shown, "unknown_parameter",
                             "Unknown query parameter: '%s'. Did you mean '%s'?", shown, near);
    if (count == 0)
        return failure_param(&request->failure, 400, shown, "unknown_parameter",
                             "Unknown query parameter: '%s'. This endpoint takes none.", shown);
    words_format(request->endpoint->query, list, sizeof(list));
    return failure_param(&request->failure, 400, shown, "unknown_parameter",
                         "Unknown query parameter: '%s'. This endpoint takes %s.", shown, list);
}

static int check_query(struct request *request)
{
    struct http_exchange *exchange = request->exchange;
    struct text rest = exchange->query;
    struct text whole;
    struct text name;

    if (http_decode(&exchange->arena, exchange->query, true, &whole) && !text_is_utf8(whole))
        return failure_param(&request->failure, 400, NULL, "invalid_value",
                             "Invalid query: what it says is not UTF-8.");
    while (http_query_next(exchange, &rest, &name))
        if (name.len > 0 && !is_known(request->endpoint->query, name) &&
            !is_known(ignored_members, name))
            return unknown_member(request, name);
    return 0;
}

/* Whether the parameters of a media type leave it in UTF-8. */
static bool is_utf8_type(struct text parameters)
{
    while (parameters.len > 0) {
        struct text one = parameters;
        struct text name;
        struct text value;

        if (!text_cut(parameters, ';', &one, &parameters))
            parameters = TEXT_NONE;
        if (!text_cut(one, '=', &name, &value) || !text_is_nocase(text_trim(name), "charset"))
            continue;
        value = text_trim(value);
        if (value.len >= 2 && value.ptr[0] == '"')
            value = (struct text){value.ptr + 1, value.len - 2};
        if (!text_is_nocase(value, "utf-8") && !text_is_nocase(value, "utf8") &&
            !text_is_nocase(value, "us-ascii"))
            return false;
    }
    return true;
}

static int unsupported(struct request *request, const char *what, struct text value,
                       const char *right)
{
    char shown[64];

    text_excerpt(value, shown, sizeof(shown));
    return failure_param(&request->failure, 415, NULL, "unsupported_content_type",
                         "Unsupported %s: '%s'. This API accepts %s.", what, shown, right);
}

/* Whether a body that has come, or is to come, has a form that is read. */
static int check_media(struct request *request)
{
    struct http_exchange *exchange = request->exchange;
    struct text coding = text_trim(http_header_get(exchange, "content-encoding"));
    struct text type = text_trim(http_header_get(exchange, "content-type"));
    struct text head = type;
    struct text parameters = TEXT_NONE;

    if (request->endpoint->takes == TAKES_NOTHING)
        return 0;
    if (coding.len > 0 && !text_is_nocase(coding, "identity"))
        return unsupported(request, "content encoding", coding, "bodies without one");
    (void)text_cut(type, ';', &head, &parameters);
    if (request->endpoint->takes == TAKES_FORM &&
        !text_is_nocase(text_trim(head), "multipart/form-data"))
        return unsupported(request, "content type", type, "'multipart/form-data'");
    if (request->endpoint->takes != TAKES_JSON || type.len == 0)
        return 0;
    if (!is_utf8_type(parameters))
        return unsupported(request, "charset", type, "'application/json' in UTF-8");
    if (!text_is_nocase(text_trim(head), "application/json") &&
        (!request->head_only && text_trim(exchange->body).len == 0))
        return 0; /* there is no body */
    if (!text_is_nocase(text_trim(head), "application/json"))
        return unsupported(request, "content type", type, "'application/json'");
    return 0;
}

static void take_share(struct request *request)
{
    request->share = share_acquire(request->api->shares, request->store.tenant);
    request->room = &request->share->small;
    request->room_of_all = &request->api->small;
}

int request_admit(struct request *request)
{
    int r = find_endpoint(request);

    if (r < 0)
        return r;
    if (request->endpoint->flags & ENDPOINT_LARGE)
        request->store.pg = request->api->pg_large;
    r = request->endpoint->flags & ENDPOINT_PUBLIC ? 0 : authenticate(request);
    if (r == 0)
        r = check_media(request);
    if (r == 0)
        r = check_query(request);
    if (r == 0)
        take_share(request);
    return r;
}

int request_admit_as(struct request *request, const struct request *other)
{
    int r = find_endpoint(request);

    request->store.tenant = other->store.tenant;
    request->key = other->key;
    request->by_ticket = other->by_ticket;
    request->by_model = other->by_model;
    request->ticket_thread = other->ticket_thread;
    request->rates = other->rates;
    if (r == 0)
        r = check_media(request);
    if (r == 0)
        take_share(request);
    return r;
}

size_t request_body_max(const struct request *request, size_t otherwise)
{
    const struct endpoint *endpoint = request->endpoint;
    size_t max = endpoint->takes == TAKES_NOTHING ? ENDPOINT_IGNORED_MAX : endpoint->body_bytes_max;

    return max > 0 && max < otherwise ? max : otherwise;
}
