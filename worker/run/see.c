/* See: images that messages name by their file are fetched, before the model is asked. They stay in
 * the conversation, so each is fetched once in a run.
 *
 * The newest come first. What a run may hold of them is bounded, and so is the room of the worker:
 * there is room before a byte is read, or the run goes back to the queue. What can't be shown, the
 * model is told in words: it may go on without, or say so.
 */

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/blob/blob.h"
#include "shared/fiber/offload.h"
#include "shared/store/files/files.h"
#include "shared/text/base64.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

/* A request has 16 MiB, of which these are 11 when they are base64; Anthropic takes 5 MB of one. */
#define IMAGE_BYTES_MAX  ((int64_t)5 << 20)
#define IMAGES_BYTES_MAX ((int64_t)8 << 20) /* of all images of a run */
#define URL_HEAD_BYTES   32                 /* "data:image/jpeg;base64," */

/* Condition: it can't be shown, and the part says why. */
enum { NOT_SHOWN = 1 };

/* The type of an image by its first bytes; NULL: it is none that providers take. */
static const char *image_type(const uint8_t *bytes, size_t count)
{
    if (count >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        return "image/png";
    if (count >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0)
        return "image/jpeg";
    if (count >= 6 && (memcmp(bytes, "GIF87a", 6) == 0 || memcmp(bytes, "GIF89a", 6) == 0))
        return "image/gif";
    if (count >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0)
        return "image/webp";
    return NULL;
}

/* The part becomes a text. Returns NOT_SHOWN, or -E_LIMIT. */
static int tell(struct run_task *task, struct chat_part *part, const char *why, struct error *err)
{
    const char *text = arena_printf(&task->arena, "[The image %.*s can't be shown: %s.]",
                                    TEXT_ARGS(part->file), why);

    if (!text)
        return error_set(err, E_LIMIT, "the run's memory is full");
    log_info("an image can't be shown to the model", LOG_STR("why", why));
    *part = (struct chat_part){.kind = CHAT_PART_TEXT, .text = text_of(text)};
    return NOT_SHOWN;
}

struct image {
    struct file file;
    uint8_t *bytes;
    const char *type;
    struct text url;
};

static size_t url_bytes(const struct image *image)
{
    return URL_HEAD_BYTES + BASE64_BYTES((size_t)image->file.bytes) + 1;
}

static int find(struct run_task *task, struct chat_part *part, struct image *image,
                struct error *err)
{
    struct store store = {
        .pg = task->worker->files.rows,
        .tenant = task->claim.row.tenant_id,
        .arena = &task->arena,
    };
    struct uuid id = {{0}};
    int r =
        id_parse(ID_FILE, part->file, &id) ? file_get(&store, id, &image->file, err) : FILE_MISSING;

    if (r == FILE_MISSING)
        return tell(task, part, "there is no such file any more", err);
    if (r == 0 && image->file.bytes > IMAGE_BYTES_MAX)
        return tell(task, part, "it is larger than 5 MiB", err);
    if (r == 0 && task->conversation.images_bytes + image->file.bytes > IMAGES_BYTES_MAX)
        return tell(task, part, "newer images take all the room there is", err);
    return r;
}

static int read_bytes(struct run_task *task, struct image *image, struct error *err)
{
    int64_t at = 0;
    int r = 0;

    while (r == 0 && at < image->file.bytes) {
        size_t count;

        r = blob_read(task->worker->files.blobs, &image->file.blob, at, image->bytes + at,
                      BLOB_READ_BYTES, &count, err);
        at += r == 0 ? (int64_t)count : 0;
    }
    return r;
}

/* On a thread: an image may have megabytes. */
static void judge(void *arg)
{
    struct image *image = arg;
    struct text bytes = {(const char *)image->bytes, (size_t)image->file.bytes};
    uint8_t digest[SHA256_BYTES];
    char *to = (char *)(uintptr_t)image->url.ptr;
    int head;

    sha256(bytes, digest);
    image->type = memcmp(digest, image->file.blob.sha256, sizeof(digest)) == 0
                      ? image_type(image->bytes, bytes.len)
                      : "";
    if (!image->type || !image->type[0])
        return;
    head = snprintf(to, URL_HEAD_BYTES, "data:%s;base64,", image->type);
    image->url.len = (size_t)(base64_put(to + head, image->bytes, bytes.len) - to);
}

/* Its bytes as an url in the arena. */
static int load(struct run_task *task, struct chat_part *part, struct image *image,
                struct error *err)
{
    char *url = arena_alloc(&task->arena, url_bytes(image));
    int r;

    if (!url)
        return error_set(err, E_LIMIT, "the run's memory is full");
    image->url.ptr = url;
    r = read_bytes(task, image, err);
    if (r == -E_NOT_FOUND)
        return tell(task, part, "its bytes are missing", err);
    if (r < 0)
        return r;
    offload_large((size_t)image->file.bytes, judge, image);
    if (!image->type)
        return tell(task, part, "it is no image of the types PNG, JPEG, GIF and WebP", err);
    if (!image->type[0])
        return tell(task, part, "its bytes are not those that were stored", err);
    part->url = image->url;
    task->conversation.images_bytes += image->file.bytes;
    return 0;
}

static int fetch(struct run_task *task, struct chat_part *part, struct error *err)
{
    struct image image = {.bytes = NULL};
    int r = find(task, part, &image, err);

    if (r != 0)
        return r < 0 ? r : RUN_GO_ON;
    if (!room_hold(&task->room, room_of_arena(task->arena.used + url_bytes(&image))))
        return ending_hand_back(&task->ending, room_turn_away(&task->worker->room),
                                RUN_WAIT_BACKOFF);
    image.bytes = malloc((size_t)image.file.bytes + 1);
    if (!image.bytes)
        return error_set(err, E_UNAVAILABLE, "no memory for an image");
    r = load(task, part, &image, err);
    free(image.bytes);
    return r < 0 ? r : RUN_GO_ON;
}

int stage_see(struct run_task *task, struct error *err)
{
    struct chat_part *part;
    bool full;

    while ((part = conversation_unseen(&task->conversation, &full))) {
        int r = fetch(task, part, err);

        if (r == -E_LIMIT)
            return ending_out_of_memory(&task->ending);
        if (r != RUN_GO_ON)
            return r;
    }
    return full ? ending_out_of_memory(&task->ending) : RUN_GO_ON;
}
