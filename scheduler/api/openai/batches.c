/* Batches: https://platform.openai.com/docs/api-reference/batch
 *
 * What is wrong with the request is told at once, what is wrong with the lines by the batch itself,
 * which a scheduler looks through then (scheduler/batches). */

#include "shared/store/batches/batches.h"
#include "scheduler/api/listing.h"
#include "scheduler/api/openai/batch_line.h"
#include "scheduler/api/openai/resources.h"
#include "scheduler/api/request.h"
#include "scheduler/api/trace.h"
#include "shared/base/error.h"
#include "shared/json/json_write.h"
#include "shared/store/files/files.h"

#define WINDOW_SECONDS (24 * 3600)

/* ---- what is shown ---- */

static void write_id(struct json_write *write, const char *name, enum id_kind kind, struct uuid id)
{
    char text[ID_TEXT_SIZE];

    if (uuid_is_zero(id)) {
        json_write_null(write, name);
        return;
    }
    id_format(kind, id, text);
    json_write_string(write, name, text);
}

static void write_time(struct json_write *write, const char *name, int64_t at, bool shown)
{
    if (shown && at > 0)
        json_write_int(write, name, at);
    else
        json_write_null(write, name);
}

static void write_errors(struct json_write *write, struct text errors)
{
    if (!errors.ptr) {
        json_write_null(write, "errors");
        return;
    }
    json_write_open_object(write, "errors");
    json_write_string(write, "object", "list");
    json_write_raw(write, "data", errors);
    json_write_close(write);
}

static void write_times(struct json_write *write, const struct batch *batch)
{
    write_time(write, "created_at", batch->created_at, true);
    write_time(write, "in_progress_at", batch->in_progress_at, true);
    write_time(write, "expires_at", batch->expires_at, true);
    write_time(write, "finalizing_at", batch->finalizing_at, true);
    write_time(write, "completed_at", batch->ended_at, text_is(batch->state, "completed"));
    write_time(write, "failed_at", batch->ended_at, text_is(batch->state, "failed"));
    write_time(write, "expired_at", batch->ended_at, text_is(batch->state, "expired"));
    write_time(write, "cancelling_at", batch->cancelling_at, true);
    write_time(write, "cancelled_at", batch->ended_at, text_is(batch->state, "cancelled"));
}

static void write_usage(struct json_write *write, const struct usage *used)
{
    json_write_open_object(write, "usage");
    json_write_int(write, "input_tokens", used->prompt_tokens);
    json_write_open_object(write, "input_tokens_details");
    json_write_int(write, "cached_tokens", used->cached_tokens);
    json_write_close(write);
    json_write_int(write, "output_tokens", used->completion_tokens);
    json_write_open_object(write, "output_tokens_details");
    json_write_int(write, "reasoning_tokens", used->reasoning_tokens);
    json_write_close(write);
    json_write_int(write, "total_tokens", used->prompt_tokens + used->completion_tokens);
    json_write_int(write, "cost_micros", used->cost_micros);
    json_write_close(write);
}

static void write_batch(struct buf *out, const struct batch *batch)
{
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    write_id(&write, "id", ID_BATCH, batch->id);
    json_write_string(&write, "object", "batch");
    json_write_text(&write, "endpoint", batch->endpoint);
    json_write_text(&write, "model", batch->model.len > 0 ? batch->model : TEXT_NONE);
    write_errors(&write, batch->errors);
    write_id(&write, "input_file_id", ID_FILE, batch->input_file);
    json_write_string(&write, "completion_window", "24h");
    json_write_text(&write, "status", batch->state);
    write_id(&write, "output_file_id", ID_FILE, batch->output_file);
    write_id(&write, "error_file_id", ID_FILE, batch->error_file);
    write_times(&write, batch);
    json_write_open_object(&write, "request_counts");
    json_write_int(&write, "total", batch->lines);
    json_write_int(&write, "completed", batch->completed);
    json_write_int(&write, "failed", batch->failed);
    json_write_close(&write);
    write_usage(&write, &batch->used);
    json_write_raw(&write, "metadata", batch->metadata);
    json_write_close(&write);
}

/* ---- create ---- */

static int input_unfit(struct request *request, const char *what)
{
    return failure_param(&request->failure, 400, "input_file_id", "invalid_value", "%s", what);
}

static int check_input(struct request *request, struct text said, struct uuid *out)
{
    struct file file;
    struct error err;
    int r =
        id_parse(ID_FILE, said, out) ? file_get(&request->store, *out, &file, &err) : FILE_MISSING;

    if (r < 0)
        return request_failed(request, &err);
    if (r == FILE_MISSING) {
        char shown[80];

        text_excerpt(said, shown, sizeof(shown));
        return failure_param(&request->failure, 400, "input_file_id", "invalid_value",
                             "Invalid 'input_file_id': there is no file '%s'.", shown);
    }
    if (!text_is(file.purpose, "batch"))
        return input_unfit(request, "Invalid 'input_file_id': the file's purpose must be 'batch'.");
    if (!text_ends(file.filename, ".jsonl"))
        return input_unfit(request, "Invalid file format for Batch API. Must be .jsonl");
    return 0;
}

static int make(struct request *request, const struct new_batch *wanted, struct batch *out)
{
    struct error err;
    int r = request->replaying ? batch_get(&request->store, wanted->id, out, &err) : BATCH_MISSING;

    request->found = r == 0;
    if (r == BATCH_MISSING)
        r = batch_create(&request->store, wanted, out, &err);
    return r < 0 ? request_failed(request, &err) : r;
}

static int create(struct request *request)
{
    struct new_batch wanted = {
        .id = request->object,
        .endpoint = json_get_text(request->body, "endpoint"),
        .window_seconds = WINDOW_SECONDS,
        .output_seconds =
            json_get_int(json_get(request->body, "output_expires_after"), "seconds", 0),
        .metadata = request_json(request, "metadata"),
    };
    CLEANUP(buf_deinit) struct buf trace;
    struct batch batch;
    int r = check_input(request, json_get_text(request->body, "input_file_id"), &wanted.input_file);

    buf_init(&trace, 0);
    request_trace_write(request, &trace);
    if (trace.len > 0)
        wanted.trace = buf_text(&trace);
    if (r == 0)
        r = make(request, &wanted, &batch);
    if (r == 0)
        write_batch(&request->reply, &batch);
    return r;
}

/* ---- the others ---- */

static int get(struct request *request)
{
    struct batch batch;
    struct uuid id;
    struct error err;
    int r = request_id(request, 0, ID_BATCH, "batch", &id);

    if (r < 0)
        return r;
    r = batch_get(&request->store, id, &batch, &err);
    if (r == BATCH_MISSING)
        return request_missing(request, "batch", request->exchange->params[0]);
    if (r < 0)
        return request_failed(request, &err);
    write_batch(&request->reply, &batch);
    return 0;
}

static int list(struct request *request)
{
    struct batch_list batches;
    struct listing page;
    struct error err;
    int r = listing_begin(&page, request, ID_BATCH);

    if (r < 0)
        return r;
    r = batch_list(&request->store, &page.page, &batches, &err);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; i < batches.count; i++) {
        listing_add(&page, batches.items[i].id);
        write_batch(&request->reply, &batches.items[i]);
    }
    listing_end(&page, batches.has_more);
    return 0;
}

static int cancel(struct request *request)
{
    struct batch batch;
    struct uuid id;
    struct error err;
    int r = request_id(request, 0, ID_BATCH, "batch", &id);

    if (r < 0)
        return r;
    r = batch_cancel(&request->store, id, &batch, &err);
    if (r == BATCH_MISSING)
        return request_missing(request, "batch", request->exchange->params[0]);
    if (r < 0)
        return request_failed(request, &err);
    if (r == BATCH_OVER && !text_is(batch.state, "cancelling"))
        return failure_param(&request->failure, 409, NULL, NULL,
                             "Cannot cancel a batch with status '%.*s'.", TEXT_ARGS(batch.state));
    write_batch(&request->reply, &batch);
    return 0;
}

static const char *const windows[] = {"24h", NULL};
static const char *const anchors[] = {"created_at", NULL};

static int check_expiry(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field fields[] = {
        {"anchor", FIELD_STRING, FIELD_REQUIRED, 0, 0, anchors, NULL},
        {"seconds", FIELD_INTEGER, FIELD_REQUIRED, 3600, 2592000, NULL, NULL},
    };

    return fields_check(FIELDS(fields), value, path, failure);
}

static const struct field members[] = {
    {"input_file_id", FIELD_STRING, FIELD_REQUIRED, 1, 100, NULL, NULL},
    {"endpoint", FIELD_STRING, FIELD_REQUIRED, 0, 0, batch_endpoint_urls, NULL},
    {"completion_window", FIELD_STRING, FIELD_REQUIRED, 0, 0, windows, NULL},
    {"metadata", FIELD_METADATA, FIELD_NULLABLE, 0, 0, NULL, NULL},
    {"output_expires_after", FIELD_OBJECT, FIELD_NULLABLE, 0, 0, NULL, check_expiry},
};

static const struct fields body = {members, ARRAY_LENGTH(members), sizeof(members[0]), NULL, 0};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST, .pattern = "/v1/batches", .handle = create,
     .takes = TAKES_JSON, .body = &body, .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/batches", .handle = list,
     .query = listing_query, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/batches/{batch_id}", .handle = get,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/batches/{batch_id}/cancel", .handle = cancel,
     .flags = ENDPOINT_LARGE},
};
/* clang-format on */

const struct endpoint_table batch_endpoints = ENDPOINT_TABLE(table);
