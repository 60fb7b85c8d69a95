#include "shared/program/file_links.h"

#include <string.h>

#include "shared/base/error.h"
#include "shared/blob/blob.h"
#include "shared/config/config.h"
#include "shared/http_client/http_client.h"
#include "shared/postgres/postgres.h"

enum { REQUEST_TIMEOUT_MS = 15000, BUCKET_TRANSFERS = 256 };

static int open_http(const struct config *config, struct file_links *links, struct error *err)
{
    const struct http_client_options options = {.max_transfers = BUCKET_TRANSFERS};

    return config->files.s3_bucket[0] ? http_client_open(&options, &links->http, err) : 0;
}

static int open_stores(const struct config *config, struct file_links *links, struct error *err)
{
    const struct blob_options options = {
        .store = config->files.store,
        .pg = links->rows,
        .pg_chunks = links->chunks,
        .directory = config->files.directory,
        .s3 =
            {
                .http = links->http,
                .endpoint = config->files.s3_endpoint,
                .bucket = config->files.s3_bucket,
                .region = config->files.s3_region,
                .access_key = config->files.s3_access_key,
                .secret_key = config->files.s3_secret_key,
                .host_style = strcmp(config->files.s3_addressing, "host") == 0,
                .timeout_ms = config->files.s3_timeout_ms,
            },
        .silent_ms = config->files.abandoned_ms,
    };

    return blob_stores_open(&options, &links->blobs, err);
}

int file_links_open(const struct config *config, const char *name, bool writes,
                    struct file_links *out, struct error *err)
{
    const struct pg_options rows = {
        .url = config->database_url,
        .application_name = name,
        .request_timeout_ms = REQUEST_TIMEOUT_MS,
        .pool_size = 1,
        .batch_max = 1, /* an answer may be a chunk */
    };
    struct pg_options chunks = rows;
    int r;

    *out = (struct file_links){.rows = NULL};
    chunks.lazy_commits = true;
    r = pg_open(&rows, &out->rows, err);
    if (r == 0 && writes)
        r = pg_open(&chunks, &out->chunks, err);
    if (r == 0)
        r = open_http(config, out, err);
    return r < 0 ? r : open_stores(config, out, err);
}

void file_links_close(struct file_links *links)
{
    blob_stores_close(links->blobs);
    http_client_close(links->http);
    pg_close(links->chunks);
    pg_close(links->rows);
    *links = (struct file_links){.rows = NULL};
}
