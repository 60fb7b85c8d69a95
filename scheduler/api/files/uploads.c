/* Uploads: https://platform.openai.com/docs/api-reference/uploads
 *
 * Each part lies in the store as what it is. Completing reads them in the order that the client
 * says, and writes the file: its digest is known only then. Beside OpenAI's there is a look at an
 * upload and its parts, for whoever goes on with one after a crash of his own.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "scheduler/api/files/file_form.h"
#include "scheduler/api/files/file_keep.h"
#include "scheduler/api/files/resources.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/blob/blob.h"
#include "shared/json/json_write.h"
#include "shared/store/files/uploads.h"

#define PART_BYTES_MAX ((int64_t)64 << 20)
#define MIME_TYPE_MAX  255
#define MD5_TEXT_BYTES (2 * MD5_BYTES)

static int find_upload(struct request *request, struct uuid *out_id, struct upload *out)
{
    struct store store = file_store(request);
    struct error err;
    int r = request_id(request, 0, ID_UPLOAD, "upload", out_id);

    if (r < 0)
        return r;
    r = request->api->blobs ? upload_get(&store, *out_id, out, &err) : UPLOAD_MISSING;
    if (r == UPLOAD_MISSING)
        return request_missing(request, "upload", request->exchange->params[0]);
    return r < 0 ? request_failed(request, &err) : 0;
}

static int is_over(struct request *request, const struct upload *upload)
{
    return failure_param(&request->failure, 400, NULL, "upload_not_pending",
                         "Upload '%.*s' is %.*s: only a pending one takes parts, or is completed "
                         "or cancelled.",
                         TEXT_ARGS(request->exchange->params[0]), TEXT_ARGS(upload->status));
}

/* One that has just ended, or has all the parts that it may have. */
static int not_taken(struct request *request, struct uuid id)
{
    struct store store = file_store(request);
    struct upload upload;
    struct error err;
    int r = upload_get(&store, id, &upload, &err);

    if (r < 0)
        return request_failed(request, &err);
    if (r == 0 && text_is(upload.status, "pending"))
        return failure_param(&request->failure, 400, NULL, "too_many_parts",
                             "This upload has %d parts, and takes no more.", UPLOAD_PARTS_MAX);
    return r == 0 ? is_over(request, &upload)
                  : request_missing(request, "upload", request->exchange->params[0]);
}

/* ---- showing ---- */

static void write_upload(struct json_write *write, const struct upload *upload,
                         const struct file *file)
{
    char id[ID_TEXT_SIZE];

    id_format(ID_UPLOAD, upload->id, id);
    json_write_open_object(write, NULL);
    json_write_string(write, "id", id);
    json_write_string(write, "object", "upload");
    json_write_int(write, "bytes", upload->bytes);
    json_write_int(write, "created_at", upload->created_at);
    json_write_text(write, "filename", upload->filename);
    json_write_text(write, "purpose", upload->purpose);
    json_write_text(write, "mime_type", upload->mime_type);
    json_write_text(write, "status", upload->status);
    json_write_int(write, "expires_at", upload->expires_at);
    if (file)
        file_write(file, "file", write);
    else
        json_write_null(write, "file");
    json_write_close(write);
}

/* With its file, where that is there. */
static int show(struct request *request, const struct upload *upload)
{
    struct store store = file_store(request);
    struct json_write write;
    struct file file;
    struct error err;
    int r = FILE_MISSING;

    if (!uuid_is_zero(upload->file))
        r = file_get(&store, upload->file, &file, &err);
    if (r < 0)
        return request_failed(request, &err);
    json_write_init(&write, &request->reply);
    write_upload(&write, upload, r == 0 ? &file : NULL);
    return 0;
}

static void write_part(struct json_write *write, struct uuid upload, const struct upload_part *part,
                       bool bytes)
{
    char id[ID_TEXT_SIZE];

    json_write_open_object(write, NULL);
    id_format(ID_PART, part->id, id);
    json_write_string(write, "id", id);
    json_write_string(write, "object", "upload.part");
    json_write_int(write, "created_at", part->created_at);
    id_format(ID_UPLOAD, upload, id);
    json_write_string(write, "upload_id", id);
    if (bytes)
        json_write_int(write, "bytes", part->bytes);
    json_write_close(write);
}

/* ---- creating ---- */

static int check_expiry(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const char *const anchors[] = {"created_at", NULL};
    static const struct field fields[] = {
        {.name = "anchor", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .words = anchors},
        {.name = "seconds",
         .kind = FIELD_INTEGER,
         .flags = FIELD_REQUIRED,
         .min = FILE_SECONDS_MIN,
         .max = FILE_SECONDS_MAX},
    };

    return fields_check(FIELDS(fields), value, path, failure);
}

static const struct field upload_fields[] = {
    {.name = "filename", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .min = 1, .max = 4096},
    {.name = "purpose", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .words = file_purposes},
    {.name = "bytes",
     .kind = FIELD_INTEGER,
     .flags = FIELD_REQUIRED,
     .min = 0,
     .max = (int64_t)1 << 50},
    {.name = "mime_type",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = MIME_TYPE_MAX},
    {.name = "expires_after", .kind = FIELD_OBJECT, .flags = FIELD_NULLABLE, .check = check_expiry},
};

static const struct fields upload_body = FIELDS(upload_fields);

static int read_upload(struct request *request, struct new_upload *out)
{
    int64_t max = request->api->file_limits.upload_max_bytes;
    int64_t asked = json_get_int(json_get(request->body, "expires_after"), "seconds", 0);
    int r;

    *out = (struct new_upload){
        .id = request->object,
        .purpose = json_get_text(request->body, "purpose"),
        .mime_type = json_get_text(request->body, "mime_type"),
        .bytes = json_get_int(request->body, "bytes", 0),
    };
    out->file_seconds = file_seconds(out->purpose, asked);
    r = file_name_check(request, "filename", json_get_text(request->body, "filename"),
                        &out->filename);
    if (r == 0)
        r = file_fits_purpose(request, out->filename, out->purpose);
    if (r == 0 && out->bytes > max)
        r = failure_param(&request->failure, 400, "bytes", "file_too_large",
                          "Invalid 'bytes': at most %" PRId64 ".", max);
    return r;
}

static int upload_post(struct request *request)
{
    struct store store = file_store(request);
    struct new_upload asked;
    struct upload upload;
    struct error err;
    int r;

    if (!request->api->blobs)
        return failure_param(&request->failure, 501, NULL, "files_not_set_up",
                             "This server keeps no files.");
    r = read_upload(request, &asked);
    if (r < 0)
        return r;
    r = request->replaying ? upload_get(&store, request->object, &upload, &err) : UPLOAD_MISSING;
    request->found = r == 0;
    if (r == UPLOAD_MISSING)
        r = upload_create(&store, &asked, &upload, &err);
    return r < 0 ? request_failed(request, &err) : show(request, &upload);
}

static int upload_show(struct request *request)
{
    struct upload upload;
    struct uuid id;
    int r = find_upload(request, &id, &upload);

    return r < 0 ? r : show(request, &upload);
}

/* ---- parts ---- */

/* Returns 0 with *out_spare, or -E_INVALID. */
static int keep_part(struct request *request, struct uuid id, const struct blob_content *content,
                     bool *out_spare)
{
    struct store store = file_store(request);
    struct json_write write;
    struct upload_part part;
    struct error err;
    int r = -E_CONFLICT;

    for (int tries = 0; r == -E_CONFLICT && tries < FILE_TRIES; tries++)
        r = upload_add_part(&store, id, uuid_new(), content, &part, out_spare, &err);
    if (r == UPLOAD_OVER)
        return not_taken(request, id);
    if (r != 0)
        return file_refused(request, r, &err);
    json_write_init(&write, &request->reply);
    write_part(&write, id, &part, false);
    return 0;
}

static int part_post(struct request *request)
{
    static const char *const none[] = {NULL};
    struct file_form form = {.file = "data", .fields = none, .bytes_max = PART_BYTES_MAX};
    struct upload upload;
    struct uuid id;
    bool spare = true;
    int r = find_upload(request, &id, &upload);

    if (r == 0 && !text_is(upload.status, "pending"))
        r = is_over(request, &upload);
    if (r == 0)
        r = file_form_read(request, &form);
    if (r == 0)
        r = keep_part(request, id, &form.content, &spare);
    blob_draft_end(form.draft, r == 0 && !spare);
    file_reply_in_time(request);
    return r;
}

static int part_index(struct request *request)
{
    struct store store = file_store(request);
    struct json_write write;
    struct upload_parts parts;
    struct upload upload;
    struct uuid id;
    struct error err;
    int r = find_upload(request, &id, &upload);

    if (r < 0)
        return r;
    r = upload_list_parts(&store, id, &parts, &err);
    if (r < 0)
        return request_failed(request, &err);
    json_write_init(&write, &request->reply);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "list");
    json_write_open_array(&write, "data");
    for (size_t i = 0; i < parts.count; i++)
        write_part(&write, id, &parts.items[i], true);
    json_write_close(&write);
    json_write_bool(&write, "has_more", false);
    json_write_close(&write);
    return 0;
}

/* ---- completing ---- */

static int check_part_id(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    struct uuid id;

    if (id_parse(ID_PART, json_string(value), &id))
        return 0;
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid part id: expected one that begins with 'part_'.");
}

static int check_part_ids(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    return fields_each(value, path, check_part_id, failure);
}

static const struct field complete_fields[] = {
    {.name = "part_ids",
     .kind = FIELD_ARRAY,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = UPLOAD_PARTS_MAX,
     .check = check_part_ids},
    {.name = "md5", .kind = FIELD_STRING, .flags = FIELD_NULLABLE},
};

static const struct fields complete_body = FIELDS(complete_fields);

/* What is put together. */
struct assembly {
    struct request *request;
    struct uuid id;
    struct upload upload;
    struct upload_part *parts; /* in order */
    size_t count;
    struct digest *md5; /* NULL: nobody asks */
    struct blob_draft *draft;
    struct blob_content content;
    struct new_file file;
    uint8_t *piece;
    bool kept;
};

static int compare_parts(const void *a, const void *b)
{
    const struct upload_part *one = a;
    const struct upload_part *other = b;

    return memcmp(one->id.bytes, other->id.bytes, sizeof(one->id.bytes));
}

static int order_parts(struct assembly *assembly, const struct upload_parts *there)
{
    struct request *request = assembly->request;
    struct json_object *ids = json_get(request->body, "part_ids");
    int64_t bytes = 0;
    bool *named; /* by their place among those that are there */

    assembly->count = json_object_array_length(ids);
    assembly->parts =
        arena_calloc(&request->exchange->arena, assembly->count, sizeof(*assembly->parts));
    named = arena_calloc(&request->exchange->arena, there->count + 1, sizeof(*named));
    if (!assembly->parts || !named)
        return failure_param(&request->failure, 413, "part_ids", NULL, "Too many parts.");
    for (size_t i = 0; i < assembly->count; i++) {
        struct path list = {NULL, "part_ids", 0};
        struct path place = {&list, NULL, i};
        struct text text = json_string(json_object_array_get_idx(ids, i));
        struct upload_part sought = {.bytes = 0};
        const struct upload_part *part;

        (void)!id_parse(ID_PART, text, &sought.id);
        part = bsearch(&sought, there->items, there->count, sizeof(sought), compare_parts);
        if (!part)
            return failure_set(&request->failure, 400, &place, "part_not_found",
                               "No part found with id '%.60s' in this upload.", text.ptr);
        if (named[part - there->items])
            return failure_set(&request->failure, 400, &place, "duplicate_part",
                               "Part '%.60s' is named twice.", text.ptr);
        named[part - there->items] = true;
        assembly->parts[i] = *part;
        bytes += part->bytes;
    }
    if (bytes == assembly->upload.bytes)
        return 0;
    return failure_param(&request->failure, 400, "part_ids", "bytes_mismatch",
                         "The parts have %" PRId64 " bytes together, and the upload was created "
                         "for %" PRId64 ".",
                         bytes, assembly->upload.bytes);
}

static int find_parts(struct assembly *assembly)
{
    struct store store = file_store(assembly->request);
    struct upload_parts there;
    struct error err;
    int r = upload_list_parts(&store, assembly->id, &there, &err);

    return r < 0 ? request_failed(assembly->request, &err) : order_parts(assembly, &there);
}

static int copy_part(struct assembly *assembly, const struct upload_part *part, struct error *err)
{
    struct blob_stores *blobs = assembly->request->api->blobs;
    int64_t at = 0;
    int r = 0;

    while (r == 0 && at < part->bytes) {
        struct text piece = {(const char *)assembly->piece, 0};

        r = blob_read(blobs, &part->blob, at, assembly->piece, BLOB_READ_BYTES, &piece.len, err);
        if (r == 0)
            r = blob_draft_write(assembly->draft, piece, err);
        if (r == 0 && assembly->md5)
            digest_add(assembly->md5, piece);
        at += (int64_t)piece.len;
    }
    return r;
}

static int copy_parts(struct assembly *assembly)
{
    struct request *request = assembly->request;
    struct error err;
    int r = blob_draft_begin(request->api->blobs, request->store.tenant, &assembly->draft, &err);

    assembly->piece = xmalloc(BLOB_READ_BYTES);
    for (size_t i = 0; r == 0 && i < assembly->count; i++)
        r = copy_part(assembly, &assembly->parts[i], &err);
    if (r == 0)
        r = blob_draft_finish(assembly->draft, &assembly->content, &err);
    if (r == BLOB_LOST)
        r = error_set(&err, E_UNAVAILABLE, "a draft was given up while it was written");
    return r < 0 ? file_store_failed(request, &err) : 0;
}

static int check_md5(struct assembly *assembly)
{
    struct text said = json_get_text(assembly->request->body, "md5");
    uint8_t digest[DIGEST_BYTES_MAX];
    char hex[MD5_TEXT_BYTES + 1];

    if (!assembly->md5)
        return 0;
    digest_end(assembly->md5, digest);
    *text_put_hex(hex, digest, MD5_BYTES) = '\0';
    if (text_is_nocase(said, hex))
        return 0;
    return failure_param(&assembly->request->failure, 400, "md5", "md5_mismatch",
                         "The MD5 of the content is '%s', not the one that was given: some of it "
                         "came otherwise than it was sent, or in another order.",
                         hex);
}

static int keep_file(struct assembly *assembly)
{
    struct request *request = assembly->request;
    struct store store = file_store(request);
    struct error err;
    bool spare = false;
    int r = -E_CONFLICT;

    assembly->content.quota = request->api->file_limits.tenant_max_bytes;
    assembly->file = (struct new_file){
        .id = uuid_new(),
        .filename = assembly->upload.filename,
        .purpose = assembly->upload.purpose,
        .seconds = assembly->upload.file_seconds,
    };
    for (int tries = 0; r == -E_CONFLICT && tries < FILE_TRIES; tries++)
        r = upload_complete(&store, assembly->id, &assembly->file, &assembly->content, &spare,
                            &err);
    if (r == UPLOAD_OVER)
        return not_taken(request, assembly->id);
    if (r != 0)
        return file_refused(request, r, &err);
    assembly->kept = !spare;
    return 0;
}

static int check_md5_form(struct request *request)
{
    struct text md5 = json_get_text(request->body, "md5");
    bool right = !md5.ptr || md5.len == MD5_TEXT_BYTES;

    for (size_t i = 0; right && i < md5.len; i++)
        right = text_hex_digit(md5.ptr[i]) >= 0;
    if (right)
        return 0;
    return failure_param(&request->failure, 400, "md5", "invalid_value",
                         "Invalid 'md5': expected %d hexadecimal digits.", MD5_TEXT_BYTES);
}

/* Another request may have ended it meanwhile, which takes its parts away: then that counts, and
 * not what was missed here. */
static int look_again(struct assembly *assembly)
{
    struct request *request = assembly->request;
    struct failure failure = request->failure;
    int r = find_upload(request, &assembly->id, &assembly->upload);

    if (r == 0 && text_is(assembly->upload.status, "completed"))
        return show(request, &assembly->upload);
    if (r == 0 && !text_is(assembly->upload.status, "pending"))
        return is_over(request, &assembly->upload);
    request->failure = failure;
    return -E_INVALID;
}

/* One that is completed already answers the same again: its client may not have heard. */
static int upload_finish(struct request *request)
{
    struct assembly assembly = {.request = request};
    int r = check_md5_form(request);

    if (r == 0)
        r = find_upload(request, &assembly.id, &assembly.upload);
    if (r < 0)
        return r;
    if (text_is(assembly.upload.status, "completed"))
        return show(request, &assembly.upload);
    if (!text_is(assembly.upload.status, "pending"))
        return is_over(request, &assembly.upload);
    if (json_get_text(request->body, "md5").ptr)
        assembly.md5 = digest_new(DIGEST_MD5);
    r = find_parts(&assembly);
    if (r == 0)
        r = copy_parts(&assembly);
    if (r == 0)
        r = check_md5(&assembly);
    if (r == 0)
        r = keep_file(&assembly);
    blob_draft_end(assembly.draft, assembly.kept);
    digest_free(assembly.md5);
    free(assembly.piece);
    file_reply_in_time(request);
    return r < 0 ? look_again(&assembly) : upload_show(request);
}

static int upload_drop(struct request *request)
{
    struct store store = file_store(request);
    struct upload upload;
    struct uuid id;
    struct error err;
    int r = find_upload(request, &id, &upload);

    if (r < 0)
        return r;
    r = upload_cancel(&store, id, &err);
    if (r < 0)
        return request_failed(request, &err);
    if (r == UPLOAD_OVER && !text_is(upload.status, "cancelled"))
        return not_taken(request, id);
    return upload_show(request);
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST, .pattern = "/v1/uploads", .handle = upload_post,
     .takes = TAKES_JSON, .body = &upload_body, .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/uploads/{upload_id}", .handle = upload_show},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/uploads/{upload_id}/parts", .handle = part_post,
     .takes = TAKES_FORM, .flags = ENDPOINT_FILES},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/uploads/{upload_id}/parts",
     .handle = part_index, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/uploads/{upload_id}/complete",
     .handle = upload_finish, .takes = TAKES_JSON, .body = &complete_body,
     .flags = ENDPOINT_FILES},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/uploads/{upload_id}/cancel",
     .handle = upload_drop},
};
/* clang-format on */

const struct endpoint_table upload_endpoints = ENDPOINT_TABLE(table);
