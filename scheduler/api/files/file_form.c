/* Reading a form
 *
 * A client is given a minute for each 64 KiB, however long all of it takes. What it sends behind a
 * mistake is not read: the reply says what is wrong, and ends the connection.
 */

#include "scheduler/api/files/file_form.h"

#include <stdio.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/blob/blob.h"
#include "shared/check/nearest.h"
#include "shared/multipart/multipart.h"

#define PROGRESS_BYTES ((size_t)64 << 10)
#define PROGRESS_MS    (60 * 1000)

struct reading {
    struct request *request;
    struct file_form *form;
    struct multipart multipart;
    int field;        /* of the present part; -1: the file */
    struct buf value; /* of the present field */
    bool has_file;
    int64_t file_bytes;
    size_t progress; /* bytes since the deadline was set */
    int64_t deadline_ms;
};

int file_store_failed(struct request *request, const struct error *err)
{
    struct failure *failure = &request->failure;
    int r = failure_from_error(failure, err);

    if (failure->status == 503)
        (void)snprintf(failure->message, sizeof(failure->message),
                       "The store of files can't be reached, or has no room, at the moment. "
                       "Please try again.");
    return r;
}

static int malformed(struct reading *reading, const struct error *err)
{
    return failure_param(&reading->request->failure, err->code == E_LIMIT ? 413 : 400, NULL,
                         "invalid_form", "We could not read the form of your request: %s.",
                         err->text);
}

int file_name_check(struct request *request, const char *param, struct text name, struct text *out)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
            return failure_param(&request->failure, 400, param, "invalid_value",
                                 "Invalid '%s': it has a control character.", param);
    for (size_t i = name.len; i > 0; i--) {
        if (name.ptr[i - 1] == '/' || name.ptr[i - 1] == '\\') {
            name = (struct text){name.ptr + i, name.len - i};
            break;
        }
    }
    if (name.len == 0 || text_is(name, ".") || text_is(name, "..") || !text_is_utf8(name) ||
        text_characters(name) > FILENAME_MAX_LEN)
        return failure_param(&request->failure, 400, param, "invalid_value",
                             "Invalid '%s': expected a name of 1 to %d characters in UTF-8, "
                             "neither '.' nor '..'.",
                             param, FILENAME_MAX_LEN);
    *out = name;
    return 0;
}

/* ---- parts ---- */

static int twice(struct reading *reading, const char *name)
{
    return failure_param(&reading->request->failure, 400, name, "duplicate_parameter",
                         "Duplicate parameter: '%s' is in the form twice.", name);
}

static int begin_file(struct reading *reading, const struct multipart_part *part)
{
    struct request *request = reading->request;
    struct file_form *form = reading->form;
    struct text name;
    struct error err;
    int r;

    if (reading->has_file)
        return twice(reading, form->file);
    if (!part->filename.ptr)
        return failure_param(&request->failure, 400, form->file, "invalid_type",
                             "Invalid type for '%s': expected a file, but got a field: its "
                             "Content-Disposition has no filename.",
                             form->file);
    r = file_name_check(request, "filename", part->filename, &name);
    if (r < 0)
        return r;
    form->filename = (struct text){arena_copy(&request->exchange->arena, name), name.len};
    if (!form->filename.ptr)
        return failure_param(&request->failure, 413, NULL, NULL, "The form is too large.");
    reading->has_file = true;
    reading->field = -1;
    if (blob_draft_begin(request->api->blobs, request->store.tenant, &form->draft, &err) < 0)
        return file_store_failed(request, &err);
    return 0;
}

static int unknown_field(struct reading *reading, struct text name)
{
    const char *known[FORM_FIELDS_MAX + 1];
    const char *near;
    char shown[64];
    size_t count = 0;

    known[count++] = reading->form->file;
    for (size_t i = 0; reading->form->fields[i]; i++)
        known[count++] = reading->form->fields[i];
    text_excerpt(name, shown, sizeof(shown));
    near = nearest_word(shown, known, count);
    return failure_param(&reading->request->failure, 400, shown, "unknown_parameter",
                         "Unknown parameter: '%s'.%s%s%s", shown, near ? " Did you mean '" : "",
                         near ? near : "", near ? "'?" : "");
}

static int begin_part(struct reading *reading)
{
    const struct multipart_part *part = multipart_part(&reading->multipart);
    struct file_form *form = reading->form;

    if (text_is(part->name, form->file))
        return begin_file(reading, part);
    for (int i = 0; form->fields[i]; i++) {
        if (!text_is(part->name, form->fields[i]))
            continue;
        if (form->values[i].ptr)
            return twice(reading, form->fields[i]);
        reading->field = i;
        buf_reset(&reading->value);
        return 0;
    }
    return unknown_field(reading, part->name);
}

static int take_file_bytes(struct reading *reading, struct text data)
{
    struct request *request = reading->request;
    struct error err;
    int r;

    reading->file_bytes += (int64_t)data.len;
    if (reading->file_bytes > reading->form->bytes_max)
        return failure_param(&request->failure, 413, reading->form->file, "file_too_large",
                             "'%s' is too large: at most %lld bytes.", reading->form->file,
                             (long long)reading->form->bytes_max);
    r = blob_draft_write(reading->form->draft, data, &err);
    if (r == BLOB_LOST)
        r = error_set(&err, E_UNAVAILABLE, "a draft was given up while it was written");
    return r < 0 ? file_store_failed(request, &err) : 0;
}

static int take_bytes(struct reading *reading, struct text data)
{
    if (reading->field < 0)
        return take_file_bytes(reading, data);
    buf_add_text(&reading->value, data);
    if (!reading->value.failed)
        return 0;
    return failure_param(&reading->request->failure, 413, reading->form->fields[reading->field],
                         "string_above_max_length", "'%s' is too long: at most %zu bytes.",
                         reading->form->fields[reading->field], FORM_VALUE_MAX);
}

static int end_part(struct reading *reading)
{
    struct request *request = reading->request;
    struct text *value;

    if (reading->field < 0)
        return 0;
    value = &reading->form->values[reading->field];
    if (!text_is_utf8(buf_text(&reading->value)))
        return failure_param(&request->failure, 400, reading->form->fields[reading->field],
                             "invalid_value", "Invalid '%s': it is not UTF-8.",
                             reading->form->fields[reading->field]);
    *value = (struct text){arena_copy(&request->exchange->arena, buf_text(&reading->value)),
                           reading->value.len};
    if (!value->ptr)
        return failure_param(&request->failure, 413, NULL, NULL, "The form is too large.");
    return 0;
}

static int take_piece(struct reading *reading, struct text piece)
{
    for (;;) {
        struct text data = TEXT_NONE;
        struct error err;
        int event = multipart_next(&reading->multipart, &piece, &data, &err);
        int r = 0;

        if (event < 0)
            return malformed(reading, &err);
        if (event == MULTIPART_MORE)
            return 0;
        if (event == MULTIPART_PART)
            r = begin_part(reading);
        else if (event == MULTIPART_DATA)
            r = take_bytes(reading, data);
        else if (event == MULTIPART_PART_END)
            r = end_part(reading);
        if (r < 0)
            return r;
    }
}

/* ---- the body ---- */

static int receive_failed(struct reading *reading, const struct error *err)
{
    struct failure *failure = &reading->request->failure;

    if (err->code == E_TIMEOUT)
        return failure_param(failure, 408, NULL, "request_timeout",
                             "The request came too slowly: each %zu bytes must come within %d s.",
                             PROGRESS_BYTES, PROGRESS_MS / 1000);
    if (err->code == E_CANCELED)
        return failure_from_error(failure, err);
    return malformed(reading, err);
}

static int read_pieces(struct reading *reading)
{
    struct http_exchange *exchange = reading->request->exchange;

    for (;;) {
        struct text piece;
        struct error err;
        int r;

        if (reading->progress == 0)
            reading->deadline_ms = deadline_in(PROGRESS_MS);
        r = http_body_read(exchange, reading->deadline_ms, &piece, &err);
        if (r < 0)
            return receive_failed(reading, &err);
        if (r == HTTP_BODY_END)
            return multipart_end(&reading->multipart, &err) < 0 ? malformed(reading, &err) : 0;
        reading->progress += piece.len;
        if (reading->progress >= PROGRESS_BYTES)
            reading->progress = 0;
        r = take_piece(reading, piece);
        if (r < 0)
            return r;
    }
}

static int finish(struct reading *reading)
{
    struct request *request = reading->request;
    struct file_form *form = reading->form;
    struct error err;

    if (!reading->has_file)
        return failure_param(&request->failure, 400, form->file, "missing_required_parameter",
                             "Missing required parameter: '%s'.", form->file);
    if (blob_draft_finish(form->draft, &form->content, &err) < 0)
        return file_store_failed(request, &err);
    form->content.quota = request->api->file_limits.tenant_max_bytes;
    return 0;
}

int file_form_read(struct request *request, struct file_form *form)
{
    struct text type = http_header_get(request->exchange, "content-type");
    struct reading reading = {.request = request, .form = form, .field = -1};
    struct error err;
    int r = multipart_init(&reading.multipart, type, &err);

    buf_init(&reading.value, FORM_VALUE_MAX);
    if (r < 0)
        r = malformed(&reading, &err);
    if (r == 0)
        r = read_pieces(&reading);
    if (r == 0)
        r = finish(&reading);
    buf_deinit(&reading.value);
    multipart_deinit(&reading.multipart);
    return r;
}
