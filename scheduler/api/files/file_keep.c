#include "scheduler/api/files/file_keep.h"

#include "scheduler/api/files/file_form.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/json/json_write.h"

#define REPLY_MS 60000

const char *const file_purposes[] = {"assistants", "batch", "fine-tune", "vision",
                                     "user_data",  "evals", NULL};

int64_t file_seconds(struct text purpose, int64_t asked)
{
    if (asked > 0)
        return asked;
    return text_is(purpose, "batch") ? FILE_SECONDS_BATCH : 0;
}

int file_fits_purpose(struct request *request, struct text filename, struct text purpose)
{
    if (!text_is(purpose, "batch") || text_ends(filename, ".jsonl"))
        return 0;
    return failure_param(&request->failure, 400, "file", "invalid_file_format",
                         "Invalid file format for Batch API. Must be .jsonl");
}

int file_refused(struct request *request, int r, const struct error *err)
{
    struct error lost;
    struct store store = file_store(request);
    int64_t held = 0;

    if (r == BLOB_LOST) {
        (void)error_set(&lost, E_UNAVAILABLE, "a draft was given up before it was kept");
        return file_store_failed(request, &lost);
    }
    if (r < 0)
        return request_failed(request, err);
    if (blobs_held(&store, &held, &lost) < 0)
        held = 0;
    return failure_param(&request->failure, 403, NULL, "storage_quota_exceeded",
                         "There is no room for this file: your files take %lld of %lld bytes. "
                         "Delete some first.",
                         (long long)held, (long long)request->api->file_limits.tenant_max_bytes);
}

void file_reply_in_time(struct request *request)
{
    request->exchange->deadline_ms = deadline_in(REPLY_MS);
}

struct store file_store(const struct request *request)
{
    struct store store = request->store;

    store.pg = request->api->pg_files;
    return store;
}

void file_write(const struct file *file, const char *name, struct json_write *write)
{
    char id[ID_TEXT_SIZE];

    id_format(ID_FILE, file->id, id);
    json_write_open_object(write, name);
    json_write_string(write, "id", id);
    json_write_string(write, "object", "file");
    json_write_int(write, "bytes", file->bytes);
    json_write_int(write, "created_at", file->created_at);
    if (file->expires_at > 0)
        json_write_int(write, "expires_at", file->expires_at);
    else
        json_write_null(write, "expires_at");
    json_write_text(write, "filename", file->filename);
    json_write_text(write, "purpose", file->purpose);
    json_write_string(write, "status", "processed");
    json_write_null(write, "status_details");
    json_write_close(write);
}

void file_render(const struct file *file, struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    file_write(file, NULL, &write);
}
