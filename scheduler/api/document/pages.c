/* GET /v1/openapi.json, and a page at /docs that shows it. Both may be had without a key: they say
 * nothing that is not in the sources. The page takes nothing from elsewhere, so it works where
 * there is no other network, and what it may do is what this server has. */

#include <stdio.h>

#include "scheduler/api/document/document.h"
#include "scheduler/api/document/resources.h"
#include "scheduler/api/request.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"

#define CSP                                                                                        \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "              \
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

extern const char openapi_embedded[];
extern const size_t openapi_embedded_bytes;
extern const char page_html_embedded[];
extern const size_t page_html_embedded_bytes;
extern const char page_start_embedded[];
extern const size_t page_start_embedded_bytes;
extern const char swagger_js_embedded[];
extern const size_t swagger_js_embedded_bytes;
extern const char swagger_css_embedded[];
extern const size_t swagger_css_embedded_bytes;

/* Whether the client has it already: If-None-Match names this tag. */
static bool is_known(const struct http_exchange *exchange, const char *tag)
{
    struct text rest = http_header_get(exchange, "if-none-match");

    while (rest.len > 0) {
        struct text one = rest;

        if (!text_cut(rest, ',', &one, &rest))
            rest = TEXT_NONE;
        one = text_trim(one);
        if (text_starts(one, "W/"))
            one = (struct text){one.ptr + 2, one.len - 2};
        if (text_is(one, tag) || text_is(one, "*"))
            return true;
    }
    return false;
}

static int give(struct request *request, const char *type, struct text bytes)
{
    struct http_exchange *exchange = request->exchange;
    char digest[SHA256_TEXT_SIZE];
    char tag[24];

    sha256_hex(bytes, digest);
    (void)snprintf(tag, sizeof(tag), "\"%.16s\"", digest);
    http_add_header(exchange, "ETag", text_of(tag));
    http_add_header(exchange, "Cache-Control", TEXT("no-cache"));
    http_add_header(exchange, "X-Content-Type-Options", TEXT("nosniff"));
    if (is_known(exchange, tag))
        (void)http_reply(exchange, 304, NULL, TEXT(""));
    else
        (void)http_reply(exchange, 200, type, bytes);
    return 0;
}

/* Made when it is first asked for. */
static int make_document(struct api *api, struct error *err)
{
    CLEANUP(json_freep) struct json_object *document = NULL;
    int r = document_make(&api->endpoints, (struct text){openapi_embedded, openapi_embedded_bytes},
                          &document, err);

    if (r < 0)
        return r;
    buf_init(&api->document, 0);
    json_encode(&api->document, document);
    return buf_check(&api->document, err);
}

static int openapi_get(struct request *request)
{
    struct api *api = request->api;
    struct error err;

    if (api->document.len == 0 && make_document(api, &err) < 0)
        return request_failed(request, &err);
    http_add_header(request->exchange, "Access-Control-Allow-Origin", TEXT("*"));
    return give(request, "application/json", buf_text(&api->document));
}

static int page_get(struct request *request)
{
    http_add_header(request->exchange, "Content-Security-Policy", TEXT(CSP));
    http_add_header(request->exchange, "Referrer-Policy", TEXT("no-referrer"));
    return give(request, "text/html; charset=utf-8",
                (struct text){page_html_embedded, page_html_embedded_bytes});
}

static int start_get(struct request *request)
{
    return give(request, "text/javascript; charset=utf-8",
                (struct text){page_start_embedded, page_start_embedded_bytes});
}

static int give_packed(struct request *request, const char *type, struct text bytes)
{
    http_add_header(request->exchange, "Content-Encoding", TEXT("gzip"));
    return give(request, type, bytes);
}

static int script_get(struct request *request)
{
    return give_packed(request, "text/javascript; charset=utf-8",
                       (struct text){swagger_js_embedded, swagger_js_embedded_bytes});
}

static int style_get(struct request *request)
{
    return give_packed(request, "text/css; charset=utf-8",
                       (struct text){swagger_css_embedded, swagger_css_embedded_bytes});
}

#define PUBLIC(path, function)                                                                     \
    {                                                                                              \
        .method = HTTP_METHOD_GET, .pattern = path, .handle = function, .gives = GIVES_BYTES,      \
        .flags = ENDPOINT_PUBLIC                                                                   \
    }

static const struct endpoint table[] = {
    PUBLIC("/v1/openapi.json", openapi_get),   PUBLIC("/docs", page_get),
    PUBLIC("/docs/start.js", start_get),       PUBLIC("/docs/swagger-ui-bundle.js", script_get),
    PUBLIC("/docs/swagger-ui.css", style_get),
};

const struct endpoint_table document_endpoints = ENDPOINT_TABLE(table);
