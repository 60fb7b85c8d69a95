/* The content of a file: https://platform.openai.com/docs/api-reference/files/retrieve-contents
 *
 * It is sent as it is read, a piece at a time, so a slow reader holds a piece. All of it has a
 * digest, which is checked on the way: where that is not what was stored the last piece is held
 * back, so that nobody takes it for whole.
 *
 * Whatever a file is, browsers are told to save it: it comes from somebody, and this is our origin.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "scheduler/api/files/file_form.h"
#include "scheduler/api/files/file_keep.h"
#include "scheduler/api/files/file_range.h"
#include "scheduler/api/files/resources.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/blob/blob.h"

#define PIECE_WRITE_MS 60000

/* The name in ASCII, and as RFC 8187 writes it. */
static void add_disposition(struct http_exchange *exchange, struct text name)
{
    CLEANUP(buf_deinit) struct buf value;

    buf_init(&value, 0);
    buf_add_string(&value, "attachment; filename=\"");
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        buf_add_char(&value, c >= 0x20 && c < 0x7f && c != '"' && c != '\\' ? c : '_');
    }
    buf_add_string(&value, "\"; filename*=UTF-8''");
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c != '\0' && strchr("-._~", c)))
            buf_add_char(&value, c);
        else
            buf_printf(&value, "%%%02X", (unsigned char)c);
    }
    http_add_header(exchange, "Content-Disposition", buf_text(&value));
}

#define ETAG_SIZE (2 * SHA256_BYTES + 3)

static void make_etag(const struct file *file, char out[ETAG_SIZE])
{
    char *to = out;

    *to++ = '"';
    to = text_put_hex(to, file->blob.sha256, SHA256_BYTES);
    *to++ = '"';
    *to = '\0';
}

/* Whether a list of entity tags has this one, or is "*". */
static bool has_etag(struct text list, const char *etag)
{
    while (list.len > 0) {
        struct text item = list;

        if (!text_cut(list, ',', &item, &list))
            list = TEXT_NONE;
        item = text_trim(item);
        if (text_starts(item, "W/"))
            item = (struct text){item.ptr + 2, item.len - 2};
        if (text_is(item, etag) || text_is(item, "*"))
            return true;
    }
    return false;
}

static void add_headers(struct http_exchange *exchange, const struct file *file, const char *etag)
{
    add_disposition(exchange, file->filename);
    http_add_header(exchange, "ETag", text_of(etag));
    http_add_header(exchange, "Accept-Ranges", TEXT("bytes"));
    http_add_header(exchange, "X-Content-Type-Options", TEXT("nosniff"));
    http_add_header(exchange, "Content-Security-Policy", TEXT("sandbox; default-src 'none'"));
    http_add_header(exchange, "Cache-Control", TEXT("private, no-cache"));
}

/* What is to be sent, and of all of it the digest. */
struct sending {
    struct request *request;
    const struct file *file;
    struct file_range range;
    struct digest *digest; /* NULL: it is a part */
    uint8_t *piece;
};

/* Returns 0, or -E_PROTOCOL: what is stored is not what was. */
static int check_digest(struct sending *sending, struct error *err)
{
    uint8_t digest[DIGEST_BYTES_MAX];

    digest_end(sending->digest, digest);
    if (memcmp(digest, sending->file->blob.sha256, SHA256_BYTES) == 0)
        return 0;
    return error_set(err, E_PROTOCOL, "the bytes of a file are not those that were stored");
}

static int send_pieces(struct sending *sending, struct error *err)
{
    struct http_exchange *exchange = sending->request->exchange;
    int64_t at = sending->range.from;
    int64_t end = at + sending->range.count;
    int r = 0;

    while (r == 0 && at < end) {
        size_t count = end - at < (int64_t)BLOB_READ_BYTES ? (size_t)(end - at) : BLOB_READ_BYTES;
        struct text piece = {(const char *)sending->piece, 0};

        r = blob_read(sending->request->api->blobs, &sending->file->blob, at, sending->piece, count,
                      &piece.len, err);
        if (r < 0)
            return r;
        at += (int64_t)piece.len;
        if (sending->digest)
            digest_add(sending->digest, piece);
        if (sending->digest && at == end)
            r = check_digest(sending, err);
        exchange->deadline_ms = deadline_in(PIECE_WRITE_MS);
        if (r == 0)
            r = http_stream_write(exchange, piece, err);
    }
    return r;
}

/* A client that goes is no failure; bytes that are missing are. */
static void tell(const struct sending *sending, const struct error *err)
{
    char id[ID_TEXT_SIZE];

    id_format(ID_FILE, sending->file->id, id);
    if (err->code == E_CLOSED || err->code == E_CANCELED)
        return;
    log_error("the content of a file was cut", LOG_STR("file", id), LOG_ERROR(err),
              LOG_STR("request", sending->request->exchange->request_id));
}

static int send_content(struct request *request, const struct file *file,
                        const struct file_range *range)
{
    struct http_exchange *exchange = request->exchange;
    struct sending sending = {.request = request, .file = file, .range = *range};
    bool whole = range->count == file->bytes;
    struct error err;
    int r;

    r = http_stream_begin_sized(exchange, whole ? 200 : 206, "application/octet-stream",
                                (uint64_t)range->count, &err);
    if (r < 0 || exchange->method == HTTP_METHOD_HEAD) {
        (void)http_stream_end(exchange, NULL);
        return 0;
    }
    sending.piece = xmalloc(BLOB_READ_BYTES);
    sending.digest = whole ? digest_new(DIGEST_SHA256) : NULL;
    r = send_pieces(&sending, &err);
    if (r < 0)
        tell(&sending, &err);
    (void)http_stream_end(exchange, NULL);
    digest_free(sending.digest);
    free(sending.piece);
    return 0;
}

/* The range that is asked for, where the client has no other version of the file. */
static int read_range(struct http_exchange *exchange, const struct file *file, const char *etag,
                      struct file_range *out)
{
    struct text header = http_header_get(exchange, "range");
    struct text condition = http_header_get(exchange, "if-range");
    int r = RANGE_WHOLE;

    *out = (struct file_range){0, file->bytes};
    if (header.ptr && (!condition.ptr || text_is(text_trim(condition), etag)))
        r = file_range_read(header, file->bytes, out);
    return r;
}

static int reply(struct request *request, const struct file *file)
{
    struct http_exchange *exchange = request->exchange;
    struct text none_match = http_header_get(exchange, "if-none-match");
    struct file_range range;
    char etag[ETAG_SIZE];
    char content_range[80];
    int r;

    make_etag(file, etag);
    if (none_match.ptr && has_etag(none_match, etag)) {
        http_add_header(exchange, "ETag", text_of(etag));
        (void)http_reply(exchange, 304, NULL, TEXT_NONE);
        return 0;
    }
    r = read_range(exchange, file, etag, &range);
    if (r == RANGE_BEYOND) {
        (void)snprintf(content_range, sizeof(content_range), "bytes */%" PRId64, file->bytes);
        http_add_header(exchange, "Content-Range", text_of(content_range));
        return failure_param(&request->failure, 416, "Range", "invalid_range",
                             "The file has %" PRId64 " bytes, and none of those that the Range "
                             "header asks for.",
                             file->bytes);
    }
    add_headers(exchange, file, etag);
    if (range.count < file->bytes) {
        (void)snprintf(content_range, sizeof(content_range),
                       "bytes %" PRId64 "-%" PRId64 "/%" PRId64, range.from,
                       range.from + range.count - 1, file->bytes);
        http_add_header(exchange, "Content-Range", text_of(content_range));
    }
    return send_content(request, file, &range);
}

static int file_content(struct request *request)
{
    struct store store = file_store(request);
    struct uuid id;
    struct file file;
    struct error err;
    int r = request_id(request, 0, ID_FILE, "file", &id);

    if (r < 0)
        return r;
    r = request->api->blobs ? file_get(&store, id, &file, &err) : FILE_MISSING;
    if (r == FILE_MISSING)
        return request_missing(request, "file", request->exchange->params[0]);
    if (r < 0)
        return request_failed(request, &err);
    return reply(request, &file);
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET, .pattern = "/v1/files/{file_id}/content", .handle = file_content,
     .gives = GIVES_BYTES, .flags = ENDPOINT_FILES},
};
/* clang-format on */

const struct endpoint_table file_content_endpoints = ENDPOINT_TABLE(table);
