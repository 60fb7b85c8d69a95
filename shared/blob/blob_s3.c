/* Blobs as objects of a bucket. One of a piece is put at once; a longer one is a multipart upload,
 * whose id the blob's row knows before its first part is sent, so that what a process leaves when
 * it dies is taken back by another one.
 */

#include <inttypes.h>
#include <stdio.h>

#include "shared/base/error.h"
#include "shared/blob/blob_internal.h"
#include "shared/blob/s3.h"
#include "shared/http_client/http_client.h"

#define PIECE_BYTES    ((size_t)5 << 20) /* the least that S3 takes, but for the last one */
#define QUERY_SIZE     1400
#define ETAG_BYTES_MAX 200

static int check(const struct blob_stores *stores, struct error *err)
{
    if (stores->s3)
        return 0;
    return error_set(err, E_INVALID, "files.s3_bucket must name a bucket");
}

/* A request whose reply has nothing of interest but that it is none of a failure. */
static int call_plainly(struct s3 *s3, const struct s3_request *request, bool may_be_missing,
                        struct error *err)
{
    struct http_response response;
    int r = s3_call(s3, request, &response, err);

    if (r < 0)
        return r;
    if (response.status == 404 && !may_be_missing)
        r = error_set(err, E_REJECTED, "the bucket of files answers 404, %.60s",
                      s3_element(response.body, "Code").ptr ? "there is no such bucket or upload"
                                                            : "no reason");
    http_response_deinit(&response);
    return r;
}

/* Whoever sends a file to a bucket that is away need not wait for it a second time. */
static int note_away(struct blob_writer *writer, int r)
{
    writer->away = r == -E_UNAVAILABLE;
    return r;
}

static int prepare(struct blob_writer *writer, struct error *err)
{
    struct s3_request request = {
        .method = "POST", .key = writer->id, .query = "uploads=", .at = -1};
    struct http_response response;
    struct text id;
    int r = s3_call(writer->stores->s3, &request, &response, err);

    if (r < 0)
        return note_away(writer, r);
    id = s3_element(response.body, "UploadId");
    s3_escape(&writer->hint, id);
    if (response.status != 200 || id.len == 0 || writer->hint.failed)
        r = error_set(err, E_REJECTED, "the bucket of files begins no upload, status %d",
                      response.status);
    http_response_deinit(&response);
    return r;
}

static int put_whole(struct blob_writer *writer, struct text piece, struct error *err)
{
    struct s3_request request = {
        .method = "PUT", .key = writer->id, .query = "", .body = piece, .at = -1};

    return call_plainly(writer->stores->s3, &request, false, err);
}

static bool is_etag(struct text etag)
{
    for (size_t i = 0; i < etag.len; i++)
        if (etag.ptr[i] <= ' ' || etag.ptr[i] == 0x7f || strchr("<>&", etag.ptr[i]))
            return false;
    return etag.len > 0 && etag.len <= ETAG_BYTES_MAX;
}

static int put_part(struct blob_writer *writer, struct text piece, struct error *err)
{
    char query[QUERY_SIZE];
    struct s3_request request = {
        .method = "PUT", .key = writer->id, .query = query, .body = piece, .at = -1};
    struct http_response response;
    struct text etag;
    int r;

    (void)snprintf(query, sizeof(query), "partNumber=%zu&uploadId=%s", writer->pieces + 1,
                   buf_string(&writer->hint));
    r = s3_call(writer->stores->s3, &request, &response, err);
    if (r < 0)
        return r;
    etag = http_response_header(&response, "ETag");
    if (response.status == 200 && is_etag(etag))
        buf_printf(&writer->progress, "<Part><PartNumber>%zu</PartNumber><ETag>%.*s</ETag></Part>",
                   writer->pieces + 1, TEXT_ARGS(etag));
    else
        r = error_set(err, E_REJECTED, "the bucket of files takes no part of an upload, status %d",
                      response.status);
    http_response_deinit(&response);
    return r;
}

/* Whether an upload of which the bucket knows nothing any more is one that it has completed. */
static int expect_object(struct blob_writer *writer, struct error *err)
{
    struct s3_request request = {.method = "HEAD", .key = writer->id, .query = "", .at = -1};

    return call_plainly(writer->stores->s3, &request, false, err);
}

static int complete(struct blob_writer *writer, struct error *err)
{
    CLEANUP(buf_deinit) struct buf body;
    char query[QUERY_SIZE];
    struct s3_request request = {.method = "POST", .key = writer->id, .query = query, .at = -1};
    struct http_response response;
    int r;

    buf_init(&body, 0);
    buf_printf(&body, "<CompleteMultipartUpload>%s</CompleteMultipartUpload>",
               buf_string(&writer->progress));
    request.body = buf_text(&body);
    (void)snprintf(query, sizeof(query), "uploadId=%s", buf_string(&writer->hint));
    r = s3_call(writer->stores->s3, &request, &response, err);
    if (r < 0)
        return r;
    /* It may say 200 first, and find that it can't afterwards. */
    if (response.status == 404)
        r = expect_object(writer, err);
    else if (memmem(response.body.ptr, response.body.len, "<Error>", 7))
        r = error_set(err, E_UNAVAILABLE, "the bucket of files did not put an upload together");
    http_response_deinit(&response);
    return r;
}

static int put(struct blob_writer *writer, int64_t at, struct text piece, bool last,
               struct error *err)
{
    int r;

    (void)at;
    if (last && writer->pieces == 0)
        return note_away(writer, put_whole(writer, piece, err));
    r = put_part(writer, piece, err);
    if (r == 0 && last)
        r = complete(writer, err);
    return note_away(writer, r);
}

static void end(struct blob_writer *writer)
{
    (void)writer;
}

static int read_piece(struct blob_stores *stores, const struct blob_ref *ref, int64_t at,
                      uint8_t *to, size_t size, size_t *out_count, struct error *err)
{
    struct s3_request request = {
        .method = "GET", .key = ref->id, .query = "", .at = at, .size = size};
    struct http_response response;
    int r = s3_call(stores->s3, &request, &response, err);

    if (r < 0)
        return r;
    /* Nobody asks for more than there is, so a part of it is no answer, however often one asks. */
    *out_count = 0;
    if (response.status == 206 && response.body.len == size) {
        memcpy(to, response.body.ptr, size);
        *out_count = size;
    }
    http_response_deinit(&response);
    return 0;
}

static int remove_object(struct blob_stores *stores, const struct blob_place *place,
                         struct error *err)
{
    char query[QUERY_SIZE];
    struct s3_request request = {.method = "DELETE", .key = place->id, .query = query, .at = -1};
    int r = 0;

    (void)snprintf(query, sizeof(query), "uploadId=%.*s", TEXT_ARGS(place->hint));
    if (place->hint.len > 0)
        r = call_plainly(stores->s3, &request, true, err);
    request.query = "";
    return r < 0 ? r : call_plainly(stores->s3, &request, true, err);
}

const struct blob_kind blob_s3 = {
    .name = "s3",
    .piece_bytes = PIECE_BYTES,
    .check = check,
    .prepare = prepare,
    .put = put,
    .end = end,
    .read = read_piece,
    .remove = remove_object,
};
