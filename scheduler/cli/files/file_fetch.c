/* Fetching a file, by ranges. The server has the digest of all of it as its ETag, so what comes is
 * compared here, from whatever connections it came.
 */

#include <inttypes.h>
#include <stdio.h>

#include "scheduler/cli/files/file_transfer.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/http_client/http_client.h"

#define PIECE_BYTES ((int64_t)4 << 20)
#define RETRY_MS    30000
#define FETCH_MS    (INT64_C(10) * 60 * 1000)

struct fetcher {
    struct client *client;
    const struct file_fetching *fetching;
    int64_t bytes;
    struct digest *sha256;
    char etag[2 * SHA256_BYTES + 3]; /* with its quotes */
};

static int find_bytes(struct fetcher *fetcher, struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("/v1/files/%s", fetcher->fetching->id);
    struct client_reply reply = {0};
    int r = client_get(fetcher->client, path, &reply, err);

    if (r < 0)
        return r;
    fetcher->bytes = json_get_int(reply.json, "bytes", -1);
    client_reply_deinit(&reply);
    if (fetcher->bytes < 0)
        return error_set(err, E_PROTOCOL, "the server's reply has no length: is it Penstock?");
    return 0;
}

static int take_piece(struct fetcher *fetcher, const struct http_response *response, int64_t count,
                      struct error *err)
{
    const struct file_fetching *fetching = fetcher->fetching;

    if (response->body.len != (size_t)count)
        return error_set(err, E_PROTOCOL, "the server sent %zu bytes of %" PRId64 " that it has",
                         response->body.len, count);
    text_excerpt(http_response_header(response, "ETag"), fetcher->etag, sizeof(fetcher->etag));
    digest_add(fetcher->sha256, response->body);
    return fetching->write(fetching->arg, response->body, err);
}

static int fetch_piece(struct fetcher *fetcher, int64_t at, int64_t count, struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("/v1/files/%s/content", fetcher->fetching->id);
    char range[64];
    struct client_call call = {
        .method = "GET", .path = path, .range = range, .timeout_ms = FETCH_MS, .raw = true};
    struct client_reply reply = {0};
    int r;

    (void)snprintf(range, sizeof(range), "bytes=%" PRId64 "-%" PRId64, at, at + count - 1);
    r = client_send(fetcher->client, &call, &reply, err);
    if (r == 0)
        r = take_piece(fetcher, reply.raw, count, err);
    client_reply_deinit(&reply);
    return r;
}

static int check_digest(struct fetcher *fetcher, struct error *err)
{
    uint8_t digest[DIGEST_BYTES_MAX];
    char own[sizeof(fetcher->etag)];
    char *to = own;

    digest_end(fetcher->sha256, digest);
    *to++ = '"';
    to = text_put_hex(to, digest, SHA256_BYTES);
    *to++ = '"';
    *to = '\0';
    if (strcmp(own, fetcher->etag) == 0)
        return 0;
    return error_set(err, E_PROTOCOL, "the bytes that came are not those that were stored");
}

int file_fetch(struct client *client, const struct file_fetching *fetching, struct error *err)
{
    struct fetcher fetcher = {.client = client, .fetching = fetching};
    int r = find_bytes(&fetcher, err);

    client->retry_for_ms = RETRY_MS;
    fetcher.sha256 = digest_new(DIGEST_SHA256);
    for (int64_t at = 0; r == 0 && at < fetcher.bytes; at += PIECE_BYTES) {
        int64_t left = fetcher.bytes - at;

        r = fetch_piece(&fetcher, at, left < PIECE_BYTES ? left : PIECE_BYTES, err);
    }
    if (r == 0 && fetcher.bytes > 0)
        r = check_digest(&fetcher, err);
    digest_free(fetcher.sha256);
    return r;
}
