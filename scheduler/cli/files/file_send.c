/* Sending a file: a small one as a form, a larger one as an upload in parts. A part whose reply was
 * lost is sent again, and the one that nobody names goes away when the upload is completed.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "scheduler/cli/files/file_transfer.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"

#define PIECE_BYTES     ((size_t)8 << 20)
#define SEND_MS         (INT64_C(10) * 60 * 1000) /* a piece, also by 15 KB a second */
#define COMPLETE_MS     (INT64_C(60) * 60 * 1000)
#define RETRY_MS        30000
#define BOUNDARY_SIZE   (UUID_TEXT_SIZE + 9)
#define TYPE_SIZE       (BOUNDARY_SIZE + 31)
#define FORM_BYTES_MORE 16384 /* names, fields and boundaries */

struct sender {
    struct client *client;
    const struct file_sending *sending;
    FILE *stream;
    int64_t bytes;
    struct digest *md5;
    struct json_object *part_ids;
    char *upload; /* "/v1/uploads/ID" */
};

/* ---- forms ---- */

struct form {
    struct buf body;
    char boundary[BOUNDARY_SIZE];
    char type[TYPE_SIZE];
};

static void form_init(struct form *form)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(uuid_new(), id);
    (void)snprintf(form->boundary, sizeof(form->boundary), "penstock-%s", id);
    (void)snprintf(form->type, sizeof(form->type), "multipart/form-data; boundary=%s",
                   form->boundary);
    buf_init(&form->body, PIECE_BYTES + FORM_BYTES_MORE);
}

static void form_deinit(struct form *form)
{
    buf_deinit(&form->body);
}

/* As browsers write a name: what would end it is escaped. */
static void add_name(struct buf *out, const char *name)
{
    for (const char *at = name; *at; at++) {
        if (strchr("\"\r\n", *at))
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*at);
        else
            buf_add_char(out, *at);
    }
}

static void form_add(struct form *form, const char *name, const char *value)
{
    buf_printf(&form->body, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n",
               form->boundary, name, value);
}

static int read_failed(const struct sender *sender, struct error *err)
{
    const char *path = sender->sending->path;

    if (ferror(sender->stream))
        return error_set_errno(err, errno, "read %s", path);
    return error_set(err, E_INVALID, "%s became shorter while it was read", path);
}

/* The next bytes of the file as the last part of the form. */
static int form_add_piece(struct form *form, const char *field, struct sender *sender, size_t count,
                          struct error *err)
{
    struct text piece = {NULL, count};
    char *to;

    buf_printf(&form->body, "--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"",
               form->boundary, field);
    add_name(&form->body, sender->sending->name);
    buf_add_string(&form->body, "\"\r\nContent-Type: application/octet-stream\r\n\r\n");
    to = buf_reserve(&form->body, count + 1);
    if (!to)
        return error_set(err, E_INVALID, "the name of %s is too long", sender->sending->path);
    if (fread(to, 1, count, sender->stream) != count)
        return read_failed(sender, err);
    form->body.len += count;
    piece.ptr = to;
    digest_add(sender->md5, piece);
    buf_printf(&form->body, "\r\n--%s--\r\n", form->boundary);
    return buf_check(&form->body, err);
}

/* ---- small ---- */

static int send_whole(struct sender *sender, struct client_reply *out, struct error *err)
{
    CLEANUP(form_deinit) struct form form;
    const struct file_sending *sending = sender->sending;
    char key[UUID_TEXT_SIZE];
    char seconds[24];
    struct client_call call = {
        .method = "POST",
        .path = "/v1/files",
        .content_type = form.type,
        .idempotency_key = key,
        .timeout_ms = SEND_MS,
    };
    int r;

    uuid_format(uuid_new(), key);
    form_init(&form);
    form_add(&form, "purpose", sending->purpose);
    if (sending->seconds > 0) {
        (void)snprintf(seconds, sizeof(seconds), "%" PRId64, sending->seconds);
        form_add(&form, "expires_after[anchor]", "created_at");
        form_add(&form, "expires_after[seconds]", seconds);
    }
    r = form_add_piece(&form, "file", sender, (size_t)sender->bytes, err);
    call.body = buf_text(&form.body);
    return r < 0 ? r : client_send(sender->client, &call, out, err);
}

/* ---- large ---- */

static int begin_upload(struct sender *sender, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    const struct file_sending *sending = sender->sending;
    struct client_reply reply = {0};
    const char *id;
    int r;

    json_object_object_add(body, "filename", json_object_new_string(sending->name));
    json_object_object_add(body, "purpose", json_object_new_string(sending->purpose));
    json_object_object_add(body, "bytes", json_object_new_int64(sender->bytes));
    json_object_object_add(body, "mime_type", json_object_new_string("application/octet-stream"));
    if (sending->seconds > 0) {
        struct json_object *expiry = json_object_new_object();

        json_object_object_add(expiry, "anchor", json_object_new_string("created_at"));
        json_object_object_add(expiry, "seconds", json_object_new_int64(sending->seconds));
        json_object_object_add(body, "expires_after", expiry);
    }
    r = client_post_once(sender->client, "/v1/uploads", body, &reply, err);
    if (r < 0)
        return r;
    id = json_get_string(reply.json, "id");
    if (id && client_is_plain(id))
        sender->upload = xasprintf("/v1/uploads/%s", id);
    else
        r = error_set(err, E_PROTOCOL, "the server's reply has no id: is it Penstock?");
    client_reply_deinit(&reply);
    return r;
}

static int send_part(struct sender *sender, size_t count, struct error *err)
{
    CLEANUP(form_deinit) struct form form;
    CLEANUP(freep) char *path = xasprintf("%s/parts", sender->upload);
    struct client_call call = {
        .method = "POST",
        .path = path,
        .content_type = form.type,
        .repeatable = true,
        .timeout_ms = SEND_MS,
    };
    struct client_reply reply = {0};
    const char *id;
    int r;

    form_init(&form);
    r = form_add_piece(&form, "data", sender, count, err);
    call.body = buf_text(&form.body);
    if (r == 0)
        r = client_send(sender->client, &call, &reply, err);
    if (r < 0)
        return r;
    id = json_get_string(reply.json, "id");
    json_object_array_add(sender->part_ids, json_object_new_string(id ? id : ""));
    client_reply_deinit(&reply);
    return 0;
}

/* *out is the file, which the upload has as a member. */
static int complete(struct sender *sender, struct client_reply *out, struct error *err)
{
    CLEANUP(json_freep) struct json_object *body = json_object_new_object();
    CLEANUP(freep) char *path = xasprintf("%s/complete", sender->upload);
    struct client_call call = {
        .method = "POST", .path = path, .repeatable = true, .timeout_ms = COMPLETE_MS};
    struct client_reply reply = {0};
    uint8_t digest[DIGEST_BYTES_MAX];
    char hex[2 * MD5_BYTES + 1];
    int r;

    digest_end(sender->md5, digest);
    *text_put_hex(hex, digest, MD5_BYTES) = '\0';
    json_object_object_add(body, "part_ids", json_object_get(sender->part_ids));
    json_object_object_add(body, "md5", json_object_new_string(hex));
    call.body = json_text(body);
    r = client_send(sender->client, &call, &reply, err);
    if (r < 0)
        return r;
    *out = (struct client_reply){.json = json_object_get(json_get(reply.json, "file"))};
    client_reply_deinit(&reply);
    return 0;
}

/* What was sent takes room until the upload expires, so it is given up at once. */
static void give_up(struct sender *sender)
{
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    struct error err;

    if (!sender->upload)
        return;
    path = xasprintf("%s/cancel", sender->upload);
    sender->client->retry_for_ms = 0;
    if (client_post(sender->client, path, NULL, &reply, &err) == 0)
        client_reply_deinit(&reply);
}

static int send_parts(struct sender *sender, struct client_reply *out, struct error *err)
{
    int64_t left = sender->bytes;
    int r = begin_upload(sender, err);

    while (r == 0 && left > 0) {
        size_t count = left < (int64_t)PIECE_BYTES ? (size_t)left : PIECE_BYTES;

        r = send_part(sender, count, err);
        left -= (int64_t)count;
    }
    if (r == 0)
        r = complete(sender, out, err);
    if (r < 0)
        give_up(sender);
    return r;
}

/* ---- both ---- */

static int open_file(struct sender *sender, struct error *err)
{
    const char *path = sender->sending->path;
    struct stat found;

    sender->stream = fopen(path, "re");
    if (!sender->stream || fstat(fileno(sender->stream), &found) < 0) {
        (void)error_set_errno(err, errno, "open %s", path);
        err->code = E_INVALID;
        return -E_INVALID;
    }
    if (!S_ISREG(found.st_mode))
        return error_set(err, E_INVALID, "%s is no file: its length must be known", path);
    sender->bytes = found.st_size;
    return 0;
}

int file_send(struct client *client, const struct file_sending *sending, struct client_reply *out,
              struct error *err)
{
    struct sender sender = {.client = client, .sending = sending};
    int r = open_file(&sender, err);

    client->retry_for_ms = RETRY_MS;
    sender.md5 = digest_new(DIGEST_MD5);
    sender.part_ids = json_object_new_array();
    if (r == 0)
        r = sender.bytes <= (int64_t)PIECE_BYTES ? send_whole(&sender, out, err)
                                                 : send_parts(&sender, out, err);
    if (sender.stream)
        (void)fclose(sender.stream);
    json_free(sender.part_ids);
    digest_free(sender.md5);
    free(sender.upload);
    return r;
}
