/* Addresses and headers, with secrets in their places.
 *
 * A secret in a header stands as it is, where it can be sent at all. In a url its bytes are
 * encoded, so that it stays a part of the path or the query that it was put into.
 */

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/check/header_rules.h"
#include "shared/config/config.h"
#include "shared/secrets/envelope.h"
#include "shared/secrets/redactor.h"
#include "shared/secrets/reference.h"
#include "worker/tools/mcp/mcp_internal.h"
#include "worker/tools/tool.h"

#define EXCERPT_MIN  119                 /* characters of what a server says, where it is cut */
#define VALUES_BYTES ((size_t)512 << 10) /* of a url and headers, with secrets in them */

static int no_secret(struct text name, struct error *err)
{
    return error_set(err, E_INVALID, "the secret %.*s may not be used for this server",
                     TEXT_ARGS(name));
}

static const struct known_secret *find(const struct mcp_reach *reach, struct text name)
{
    for (size_t i = 0; i < reach->secrets.count; i++)
        if (text_equal(reach->secrets.items[i].name, name))
            return &reach->secrets.items[i];
    return NULL;
}

void mcp_add_encoded(struct buf *out, struct text value)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '.' || c == '_' || c == '~') {
            buf_add_char(out, (char)c);
        } else {
            buf_add_char(out, '%');
            buf_add_char(out, digits[c >> 4]);
            buf_add_char(out, digits[c & 15]);
        }
    }
}

/* Appends a text with its secrets, and a zero. *out is where it begins. */
static int fill(struct mcp_reach *reach, struct text text, bool encode, size_t *out,
                struct error *err)
{
    struct reference_piece piece;
    int r;

    *out = reach->values.len;
    while ((r = reference_next(&text, &piece, err)) == 0) {
        const struct known_secret *secret = piece.is_secret ? find(reach, piece.text) : NULL;

        if (piece.is_secret && !secret)
            return no_secret(piece.text, err);
        if (!piece.is_secret)
            buf_add_text(&reach->values, piece.text);
        else if (encode)
            mcp_add_encoded(&reach->values, secret->value);
        else
            buf_add_text(&reach->values, secret->value);
    }
    if (r < 0)
        return r;
    buf_add_char(&reach->values, 0);
    return buf_check(&reach->values, err);
}

static int add_header(struct mcp_reach *reach, struct text name, struct text value,
                      struct error *err)
{
    size_t begin;
    int r = fill(reach, value, false, &begin, err);

    if (r < 0)
        return r;
    /* The buf has all its room from the beginning, so what it holds stays where it is. */
    value = (struct text){reach->values.ptr + begin, reach->values.len - begin - 1};
    if (!header_value_fits(value))
        return error_set(err, E_INVALID, "the header %.*s has a value that can't be sent",
                         TEXT_ARGS(name));
    reach->headers[reach->headers_count++] = (struct http_header){name, value};
    return 0;
}

static int add_authorization(struct mcp_reach *reach, struct text said, struct error *err)
{
    CLEANUP(buf_deinit) struct buf value = {0};

    if (said.len == 0)
        return 0;
    buf_init(&value, 0);
    if (!text_starts(said, "Bearer ") && !text_starts(said, "Basic "))
        buf_add_string(&value, "Bearer ");
    buf_add_text(&value, said);
    return add_header(reach, TEXT("Authorization"), buf_text(&value), err);
}

static int add_headers(struct mcp_reach *reach, struct json_object *headers, struct error *err)
{
    int r = 0;

    if (!json_object_is_type(headers, json_type_object))
        return 0;
    json_object_object_foreach(headers, name, value)
    {
        if (r == 0 && reach->headers_count >= MCP_HEADERS_OF_MEMBER_MAX)
            r = error_set(err, E_LIMIT, "the server has too many headers");
        if (r == 0)
            r = add_header(reach, text_of(name), json_string(value), err);
    }
    return r;
}

/* *out is where it lies. */
static int keep(struct mcp_reach *reach, struct text said, struct text *out, struct error *err)
{
    size_t begin;
    int r;

    if (!said.ptr)
        return 0;
    r = fill(reach, said, false, &begin, err);
    if (r == 0)
        *out = (struct text){reach->values.ptr + begin, reach->values.len - begin - 1};
    return r;
}

static int add_client(struct mcp_reach *reach, struct json_object *oauth, struct error *err)
{
    const struct {
        const char *name;
        struct text *place;
    } members[] = {
        {"client_id", &reach->client.id},
        {"client_secret", &reach->client.secret},
        {"token_url", &reach->client.token_url},
        {"scopes", &reach->client.scopes},
    };
    int r = 0;

    for (size_t i = 0; oauth && r == 0 && i < ARRAY_LENGTH(members); i++)
        r = keep(reach, json_get_text(oauth, members[i].name), members[i].place, err);
    return r;
}

static const struct config_mcp_server *configured(const struct tool_services *services,
                                                  struct text label)
{
    const struct mcp *mcp = services->mcp;

    for (unsigned i = 0; i < mcp->options.configured_count; i++)
        if (text_is(label, mcp->options.configured[i].label))
            return &mcp->options.configured[i];
    return NULL;
}

/* A server of the operator's: where it is he knows, and no guard is asked. */
static int open_configured(const struct tool_services *services, struct text label,
                           struct mcp_reach *reach, struct error *err)
{
    const struct config_mcp_server *server = configured(services, label);
    int r = 0;

    if (!server)
        return error_set(err, E_INVALID, "no server of this label is configured");
    reach->configured = server;
    if (!server->url)
        return 0;
    reach->client = (struct mcp_client){text_of(server->client_id), text_of(server->client_secret),
                                        text_of(server->token_url), text_of(server->scopes)};
    if (reach->client.secret.len > 0) {
        const struct known_secret known = {TEXT("of OAuth"), reach->client.secret};

        reach->redactor = redactor_new(&known, 1);
    }
    for (unsigned i = 0; r == 0 && i < server->headers_count; i++) {
        struct text name;
        struct text value;

        if (reach->headers_count < MCP_HEADERS_OF_MEMBER_MAX &&
            text_cut(text_of(server->headers[i]), ':', &name, &value))
            reach->headers[reach->headers_count++] = (struct http_header){name, text_trim(value)};
    }
    return http_target_parse(server->url, &reach->target, err);
}

static int open_named(const struct mcp_member *member, struct mcp_reach *reach, struct error *err)
{
    size_t begin = 0;
    int r = fill(reach, member->url, true, &begin, err);

    reach->guarded = true;
    if (r == 0)
        r = http_target_parse(reach->values.ptr + begin, &reach->target, err);
    if (r == 0)
        r = add_authorization(reach, member->authorization, err);
    if (r == 0)
        r = add_client(reach, member->oauth, err);
    return r == 0 ? add_headers(reach, member->headers, err) : r;
}

int mcp_reach_open(const struct tool_services *services, struct uuid tenant,
                   const struct mcp_member *member, const struct text *secrets,
                   size_t secrets_count, struct mcp_reach *out, struct error *err)
{
    const struct open_secrets_options options = {services->pg, services->master_keys, tenant};
    int r;

    *out = (struct mcp_reach){.configured = NULL};
    secret_buf_init(&out->values, VALUES_BYTES);
    buf_init(&out->bearer, 0);
    if (!member->url.ptr)
        return open_configured(services, member->label, out, err);
    r = open_secrets_read(&options, secrets, secrets_count, &out->secrets, err);
    if (r < 0)
        return r;
    out->redactor = redactor_new(out->secrets.items, out->secrets.count);
    return open_named(member, out, err);
}

void mcp_reach_close(struct mcp_reach *reach)
{
    if (reach->target.url)
        explicit_bzero(reach->target.url, strlen(reach->target.url));
    http_target_deinit(&reach->target);
    redactor_free(reach->redactor);
    open_secrets_wipe(&reach->secrets);
    secret_buf_wipe(&reach->values);
    if (reach->bearer.len > 0)
        secret_buf_wipe(&reach->bearer);
}

void mcp_reach_redact(const struct mcp_reach *reach, struct error *err)
{
    CLEANUP(buf_deinit) struct buf text = {0};

    if (!reach->redactor)
        return;
    buf_init(&text, 0);
    redactor_write(reach->redactor, text_of(err->text), strlen(err->text) >= EXCERPT_MIN, &text);
    text_excerpt(buf_text(&text), err->text, sizeof(err->text));
}

static void add_part(struct digest *digest, struct text part)
{
    uint64_t length = part.len;

    digest_add(digest, (struct text){(const char *)&length, sizeof(length)});
    digest_add(digest, part);
}

void mcp_reach_key(const struct mcp_reach *reach, struct uuid tenant, struct text label,
                   uint8_t out[SHA256_BYTES])
{
    struct digest *digest = digest_new(DIGEST_SHA256);

    add_part(digest, (struct text){(const char *)tenant.bytes, sizeof(tenant.bytes)});
    add_part(digest, reach->configured ? label : TEXT_NONE);
    add_part(digest, text_of(reach->target.url));
    for (size_t i = 0; i < reach->headers_count; i++) {
        add_part(digest, reach->headers[i].name);
        add_part(digest, reach->headers[i].value);
    }
    if (reach->client.id.ptr) {
        add_part(digest, reach->client.id);
        add_part(digest, reach->client.secret);
        add_part(digest, reach->client.token_url);
        add_part(digest, reach->client.scopes);
    }
    digest_end(digest, out);
    digest_free(digest);
}
