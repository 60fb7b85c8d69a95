/* Files: https://platform.openai.com/docs/api-reference/files
 *
 * A file is sent as a form whose fields come in any order: SDKs put `purpose` before 512 MB of it,
 * or behind. So its bytes go to the store while nothing is known of it, and it is judged when all
 * has come. What was kept of a request that is sent again is found by what came: the digest of the
 * bytes, the name and the fields.
 */

#include <inttypes.h>
#include <stdio.h>

#include "scheduler/api/files/file_form.h"
#include "scheduler/api/files/file_keep.h"
#include "scheduler/api/files/resources.h"
#include "scheduler/api/idempotency.h"
#include "scheduler/api/listing.h"
#include "shared/base/error.h"
#include "shared/blob/blob.h"
#include "shared/json/json_write.h"

enum { FIELD_PURPOSE, FIELD_ANCHOR, FIELD_SECONDS };

static const char *const form_fields[] = {"purpose", "expires_after[anchor]",
                                          "expires_after[seconds]", NULL};

struct creation {
    struct file_form form;
    struct new_file file;
    bool kept; /* what was written is the file's */
};

static int no_files(struct request *request)
{
    return failure_param(&request->failure, 501, NULL, "files_not_set_up",
                         "This server keeps no files.");
}

/* expires_after, of which both members are there or none. */
static int read_expiry(struct request *request, const struct text *values, int64_t *out_seconds)
{
    static const char *const anchors[] = {"created_at", NULL};
    static const struct path anchor_path = {NULL, "expires_after[anchor]", 0};
    static const struct field field = {.name = "expires_after[seconds]",
                                       .kind = FIELD_INTEGER,
                                       .min = FILE_SECONDS_MIN,
                                       .max = FILE_SECONDS_MAX};
    struct text anchor = values[FIELD_ANCHOR];
    struct text seconds = values[FIELD_SECONDS];
    const char *missing = anchor.ptr ? "expires_after[seconds]" : "expires_after[anchor]";
    int r;

    *out_seconds = 0;
    if (!anchor.ptr && !seconds.ptr)
        return 0;
    if (!anchor.ptr || !seconds.ptr)
        return failure_param(&request->failure, 400, missing, "missing_required_parameter",
                             "Missing required parameter: '%s'.", missing);
    r = fields_word(anchor, anchors, &anchor_path, &request->failure);
    if (r == 0 && !text_to_int(seconds, out_seconds))
        r = failure_param(&request->failure, 400, field.name, "invalid_type",
                          "Invalid type for '%s': expected an integer, but got a string instead.",
                          field.name);
    return r < 0 ? r : fields_check_integer(&field, *out_seconds, &request->failure);
}

/* Judges what came. */
static int read_fields(struct request *request, struct creation *creation)
{
    static const struct path purpose_path = {NULL, "purpose", 0};
    const struct file_form *form = &creation->form;
    struct text purpose = form->values[FIELD_PURPOSE];
    int64_t seconds;
    int r;

    if (!purpose.ptr)
        return failure_param(&request->failure, 400, "purpose", "missing_required_parameter",
                             "Missing required parameter: 'purpose'.");
    r = fields_word(purpose, file_purposes, &purpose_path, &request->failure);
    if (r == 0)
        r = read_expiry(request, form->values, &seconds);
    if (r == 0)
        r = file_fits_purpose(request, form->filename, purpose);
    if (r < 0)
        return r;
    creation->file = (struct new_file){
        .filename = form->filename,
        .purpose = purpose,
        .seconds = file_seconds(purpose, seconds),
    };
    return 0;
}

/* The file that an earlier attempt has made. Returns 0, FILE_MISSING, or -E_INVALID. */
static int find_made(struct request *request)
{
    struct store store = file_store(request);
    struct file file;
    struct error err;
    int r = file_get(&store, request->object, &file, &err);

    if (r < 0)
        return request_failed(request, &err);
    if (r == 0) {
        request->found = true;
        file_render(&file, &request->reply);
    }
    return r;
}

static int create(struct request *request)
{
    struct creation *creation = request->work;
    struct store store = file_store(request);
    struct file file;
    struct error err;
    bool spare = false;
    int r = request->replaying ? find_made(request) : FILE_MISSING;

    if (r != FILE_MISSING)
        return r;
    creation->file.id = request->object;
    for (int tries = 1;; tries++) {
        r = file_create(&store, &creation->file, &creation->form.content, &file, &spare, &err);
        if (r != -E_CONFLICT)
            break;
        /* The same content at the same moment; or the same request. */
        r = find_made(request);
        if (r != FILE_MISSING)
            return r;
        if (tries == FILE_TRIES) {
            r = error_set(&err, E_UNAVAILABLE, "the same content came again and again");
            break;
        }
    }
    if (r != 0)
        return file_refused(request, r, &err);
    creation->kept = !spare;
    file_render(&file, &request->reply);
    return 0;
}

/* What tells this request from others. */
static int describe(struct request *request, const struct creation *creation)
{
    char digest[2 * SHA256_BYTES + 1];
    const char *text;

    *text_put_hex(digest, creation->form.content.sha256, SHA256_BYTES) = '\0';
    text = arena_printf(&request->exchange->arena, "%s %" PRId64 " %.*s %.*s", digest,
                        creation->file.seconds, TEXT_ARGS(creation->file.purpose),
                        TEXT_ARGS(creation->file.filename));
    if (!text)
        return failure_param(&request->failure, 413, NULL, NULL, "The form is too large.");
    request->stands_for = text_of(text);
    return 0;
}

static int file_post(struct request *request)
{
    struct creation creation = {
        .form =
            {
                .file = "file",
                .fields = form_fields,
                .bytes_max = request->api->file_limits.max_bytes,
            },
    };
    int r;

    if (!request->api->blobs)
        return no_files(request);
    r = file_form_read(request, &creation.form);
    if (r == 0)
        r = read_fields(request, &creation);
    if (r == 0)
        r = describe(request, &creation);
    if (r == 0) {
        request->work = &creation;
        r = idempotent_create(request, create);
        request->work = NULL;
    }
    blob_draft_end(creation.form.draft, creation.kept);
    file_reply_in_time(request);
    return r;
}

static int file_show(struct request *request)
{
    struct store store = file_store(request);
    struct uuid id;
    struct file file;
    struct error err;
    int r = request_id(request, 0, ID_FILE, "file", &id);

    if (r < 0)
        return r;
    r = file_get(&store, id, &file, &err);
    if (r == FILE_MISSING)
        return request_missing(request, "file", request->exchange->params[0]);
    if (r < 0)
        return request_failed(request, &err);
    file_render(&file, &request->reply);
    return 0;
}

static int file_remove(struct request *request)
{
    struct store store = file_store(request);
    struct json_write write;
    char shown[ID_TEXT_SIZE];
    struct uuid id;
    struct error err;
    int r = request_id(request, 0, ID_FILE, "file", &id);

    if (r < 0)
        return r;
    r = file_delete(&store, id, &err);
    if (r == FILE_MISSING)
        return request_missing(request, "file", request->exchange->params[0]);
    if (r < 0)
        return request_failed(request, &err);
    id_format(ID_FILE, id, shown);
    json_write_init(&write, &request->reply);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "id", shown);
    json_write_string(&write, "object", "file");
    json_write_bool(&write, "deleted", true);
    json_write_close(&write);
    return 0;
}

/* Of those that a client gives, or that of what a batch or a program has made. */
static int read_purpose(struct request *request, struct text *out)
{
    static const struct path path = {NULL, "purpose", 0};
    struct text purpose = http_query_get(request->exchange, "purpose", 0);

    *out = purpose.len > 0 ? purpose : TEXT_NONE;
    if (purpose.len == 0 || text_is(purpose, FILE_PURPOSE_OUTPUT) ||
        text_is(purpose, FILE_PURPOSE_PROGRAMS))
        return 0;
    return fields_word(purpose, file_purposes, &path, &request->failure);
}

static int file_index(struct request *request)
{
    struct store store = file_store(request);
    struct file_page page;
    struct file_list files;
    struct listing list;
    struct error err;
    int r = listing_begin_long(&list, request, ID_FILE, PAGE_LIMIT_MAX);

    page = (struct file_page){.page = list.page};
    if (r == 0)
        r = read_purpose(request, &page.purpose);
    if (r < 0)
        return r;
    r = file_list(&store, &page, &files, &err);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; i < files.count; i++) {
        listing_add(&list, files.items[i].id);
        file_render(&files.items[i], &request->reply);
    }
    listing_end(&list, files.has_more);
    return 0;
}

static const char *const list_query[] = {LISTING_QUERY, "purpose", NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST, .pattern = "/v1/files", .handle = file_post,
     .takes = TAKES_FORM, .flags = ENDPOINT_FILES},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/files", .handle = file_index,
     .query = list_query, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/files/{file_id}", .handle = file_show},
    {.method = HTTP_METHOD_DELETE, .pattern = "/v1/files/{file_id}", .handle = file_remove},
};
/* clang-format on */

const struct endpoint_table file_endpoints = ENDPOINT_TABLE(table);
