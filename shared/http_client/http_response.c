/* The reply: header lines as they arrive, and the response made of them at the end.
 *
 * Lines are kept as text during the transfer and become an array once, so that a transfer in flight
 * costs nothing before its reply begins. An interim reply (1xx) is thrown away when the next status
 * line comes; trailers are ignored.
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/http_client/http_internal.h"

#define HEADERS_MAX_COUNT 512

static bool refuse(struct http_transfer *transfer, int code, const char *what)
{
    error_set(&transfer->failure, code, "%s (%s)", what, transfer->host);
    return false;
}

bool http_head_line(struct http_transfer *transfer, struct text line)
{
    struct text trimmed = text_trim(line);

    transfer->header_bytes += line.len;
    if (transfer->header_bytes > transfer->call->max_header_bytes) {
        error_set(&transfer->failure, E_LIMIT,
                  "the reply headers from %s are larger than %zu bytes", transfer->host,
                  transfer->call->max_header_bytes);
        return false;
    }
    if (transfer->body_bytes == 0 && text_starts(line, "HTTP/")) {
        buf_reset(&transfer->head);
        transfer->headers_count = 0;
        transfer->headers_done = false;
        return true;
    }
    if (transfer->headers_done)
        return true;
    if (trimmed.len == 0) {
        transfer->headers_done = true;
        return true;
    }
    /* Obsolete line folding (RFC 9112, section 5.2), or no header at all. */
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t' || line.ptr[0] == ':' ||
        !memchr(trimmed.ptr, ':', trimmed.len))
        return refuse(transfer, E_PROTOCOL, "the reply has a malformed header line");
    if (++transfer->headers_count > HEADERS_MAX_COUNT)
        return refuse(transfer, E_LIMIT, "the reply has too many headers");
    buf_add_text(&transfer->head, trimmed);
    buf_add_char(&transfer->head, '\n');
    return buf_check(&transfer->head, &transfer->failure) == 0;
}

void http_response_take(struct http_transfer *transfer, struct http_response *out)
{
    size_t array = transfer->headers_count * sizeof(struct http_header);
    char *storage = xmalloc(array + transfer->head.len + 1);
    struct http_header *headers = (struct http_header *)(void *)storage;
    struct text rest = {storage + array, transfer->head.len};
    struct text line;
    size_t n = 0;
    long status = 0;

    if (transfer->head.len > 0)
        memcpy(storage + array, transfer->head.ptr, transfer->head.len);
    while (text_cut(rest, '\n', &line, &rest)) {
        bool split = text_cut(line, ':', &headers[n].name, &headers[n].value);

        ASSERT(split);
        headers[n].value = text_trim(headers[n].value);
        n++;
    }
    ASSERT(n == transfer->headers_count);
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    *out = (struct http_response){.status = (int)status,
                                  .headers = headers,
                                  .headers_count = n,
                                  .storage = storage,
                                  .truncated = transfer->truncated,
                                  .total_ms = clock_ms() - transfer->start_ms,
                                  .first_byte_ms = transfer->first_byte_at_ms - transfer->start_ms};
    out->body.len = transfer->body.len;
    out->body_storage = buf_take(&transfer->body);
    out->body.ptr = out->body_storage;
}

void http_response_deinit(struct http_response *response)
{
    free(response->storage);
    free(response->body_storage);
    *response = (struct http_response){0};
}

struct text http_response_header(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->headers_count; i++)
        if (text_is_nocase(response->headers[i].name, name))
            return response->headers[i].value;
    return TEXT_NONE;
}
