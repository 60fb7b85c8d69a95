/* Where tokens come from: what a server says of itself (RFC 9728), and what the authorization
 * server that it names says (RFC 8414, or OpenID Connect's document of the same form).
 *
 * Both documents name whom they are about, and are not believed where that is somebody else. From a
 * server that is asked by https nothing leads to plain http. A server without such a document is
 * taken for its own authorization server, as older ones are.
 */

#include <string.h>

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "worker/tools/mcp/mcp_internal.h"

#define RESOURCE "/.well-known/oauth-protected-resource"
#define SERVER   "/.well-known/oauth-authorization-server"
#define OPENID   "/.well-known/openid-configuration"

/* "https://host:443", and what is behind it, without a query. */
struct address_parts {
    struct text origin;
    struct text path; /* without a final slash: "" or "/…" */
};

struct finding {
    struct mcp *mcp;
    const struct mcp_reach *reach;
    int64_t deadline_ms;
    struct buf url; /* that is asked */
};

static struct address_parts parts_of(struct text url)
{
    size_t begin = text_starts(url, "https://") ? 8 : text_starts(url, "http://") ? 7 : url.len;
    size_t path;
    size_t end;

    for (path = begin; path < url.len && !strchr("/?#", url.ptr[path]); path++)
        ;
    for (end = path; end < url.len && !strchr("?#", url.ptr[end]); end++)
        ;
    while (end > path && url.ptr[end - 1] == '/')
        end--;
    return (struct address_parts){{url.ptr, path}, {url.ptr + path, end - path}};
}

/* Whether two name one thing, but for a slash at their end. */
static bool same(struct text a, struct text b)
{
    while (a.len > 0 && a.ptr[a.len - 1] == '/')
        a.len--;
    while (b.len > 0 && b.ptr[b.len - 1] == '/')
        b.len--;
    return text_equal(a, b);
}

/* Whether this may be asked, and by the guard's leave alone. */
static int check_url(const struct finding *finding, const char *url, bool *out_guarded,
                     struct error *err)
{
    const struct http_target *server = &finding->reach->target;
    CLEANUP(http_target_deinit) struct http_target target = {.url = NULL};
    int r = http_target_parse(url, &target, err);

    if (r < 0)
        return error_set(err, E_PROTOCOL, "the metadata of OAuth name an address that is none");
    if (text_starts(text_of(server->url), "https://") &&
        !text_starts(text_of(target.url), "https://"))
        return error_set(err, E_PROTOCOL, "the metadata of OAuth lead from https to http");
    *out_guarded = finding->reach->guarded || target.port != server->port ||
                   strcmp(target.host, server->host) != 0;
    return 0;
}

enum { NOTHING_THERE = 1 };

/* The document at finding->url. Returns 0 with *out, or NOTHING_THERE. */
static int fetch(struct finding *finding, struct json_object **out, struct error *err)
{
    static const struct http_header accept = {TEXT("Accept"), TEXT("application/json")};
    struct mcp_oauth_request request = {
        .mcp = finding->mcp,
        .method = "GET",
        .url = buf_string(&finding->url),
        .headers = &accept,
        .headers_count = 1,
        .deadline_ms = finding->deadline_ms,
    };
    struct http_response response = {0};
    int r = check_url(finding, request.url, &request.guarded, err);

    if (r == 0)
        r = mcp_oauth_ask(&request, &response, err);
    if (r < 0)
        return r;
    if (response.status >= 500 || response.status == 429)
        r = error_set(err, E_UNAVAILABLE, "the metadata of OAuth can't be had: %d",
                      response.status);
    else if (response.status != 200)
        r = NOTHING_THERE;
    else if (json_decode(response.body, JSON_DEPTH_DEFAULT, out, NULL) < 0)
        r = NOTHING_THERE; /* some have a page for whatever is asked */
    http_response_deinit(&response);
    return r;
}

/* Three parts of an address, asked for. */
static int fetch_at(struct finding *finding, struct text origin, const char *known,
                    struct text path, struct json_object **out, struct error *err)
{
    buf_reset(&finding->url);
    buf_add_text(&finding->url, origin);
    buf_add_string(&finding->url, known);
    buf_add_text(&finding->url, path);
    return fetch(finding, out, err);
}

/* Which authorization server a server has. */
static int find_issuer(struct finding *finding, struct buf *out, struct error *err)
{
    struct text url = text_of(finding->reach->target.url);
    struct address_parts parts = parts_of(url);
    CLEANUP(json_freep) struct json_object *document = NULL;
    struct json_object *servers;
    struct text resource;
    struct text issuer;
    int r = fetch_at(finding, parts.origin, RESOURCE, parts.path, &document, err);

    if (r == NOTHING_THERE && parts.path.len > 0)
        r = fetch_at(finding, parts.origin, RESOURCE, TEXT(""), &document, err);
    if (r < 0)
        return r;
    if (r == NOTHING_THERE) {
        buf_add_text(out, parts.origin);
        return 0;
    }
    resource = json_get_text(document, "resource");
    if (!same(resource, parts.origin) &&
        !same(resource, (struct text){url.ptr, parts.origin.len + parts.path.len}))
        return error_set(err, E_PROTOCOL, "the server's metadata are about another resource");
    servers = json_get(document, "authorization_servers");
    issuer = json_object_is_type(servers, json_type_array)
                 ? json_string(json_object_array_get_idx(servers, 0))
                 : TEXT_NONE;
    if (issuer.len == 0)
        return error_set(err, E_PROTOCOL, "the server's metadata name no authorization server");
    buf_add_text(out, issuer);
    return 0;
}

static int find_document(struct finding *finding, struct text issuer, struct json_object **out,
                         struct error *err)
{
    struct address_parts parts = parts_of(issuer);
    int r = fetch_at(finding, parts.origin, SERVER, parts.path, out, err);

    if (r == NOTHING_THERE)
        r = fetch_at(finding, parts.origin, OPENID, parts.path, out, err);
    if (r == NOTHING_THERE && parts.path.len > 0) {
        buf_reset(&finding->url);
        buf_add_text(&finding->url, parts.origin);
        buf_add_text(&finding->url, parts.path);
        buf_add_string(&finding->url, OPENID);
        r = fetch(finding, out, err);
    }
    if (r == NOTHING_THERE)
        return error_set(err, E_PROTOCOL,
                         "the authorization server has no metadata: say a 'token_url'");
    return r;
}

static bool has_word(struct json_object *list, const char *word)
{
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
        if (text_is(json_string(json_object_array_get_idx(list, i)), word))
            return true;
    return false;
}

static int take_document(const struct finding *finding, struct json_object *document,
                         struct text issuer, struct mcp_token_place *out, struct error *err)
{
    struct json_object *ways = json_get(document, "token_endpoint_auth_methods_supported");
    struct text endpoint = json_get_text(document, "token_endpoint");

    if (!same(json_get_text(document, "issuer"), issuer))
        return error_set(err, E_PROTOCOL, "the authorization server's metadata are of another one");
    if (endpoint.len == 0 || endpoint.len > HTTP_TARGET_URL_BYTES / 2)
        return error_set(err, E_PROTOCOL, "the authorization server names no place for tokens");
    buf_add_text(&out->url, endpoint);
    out->in_body =
        ways && !has_word(ways, "client_secret_basic") && has_word(ways, "client_secret_post");
    return check_url(finding, buf_string(&out->url), &out->guarded, err);
}

int mcp_oauth_find(struct mcp *mcp, const struct mcp_reach *reach, int64_t deadline_ms,
                   struct mcp_token_place *out, struct error *err)
{
    CLEANUP(json_freep) struct json_object *document = NULL;
    CLEANUP(buf_deinit) struct buf issuer = {0};
    struct finding finding = {.mcp = mcp, .reach = reach, .deadline_ms = deadline_ms};
    int r;

    buf_init(&issuer, HTTP_TARGET_URL_BYTES);
    buf_init(&finding.url, HTTP_TARGET_URL_BYTES);
    r = find_issuer(&finding, &issuer, err);
    if (r == 0)
        r = find_document(&finding, buf_text(&issuer), &document, err);
    if (r == 0)
        r = take_document(&finding, document, buf_text(&issuer), out, err);
    buf_deinit(&finding.url);
    return r;
}
