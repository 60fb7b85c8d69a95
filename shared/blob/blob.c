/* Blobs, in whatever store.
 *
 * A draft gathers bytes to pieces of the size that its kind likes; its digest is made on the way.
 * Its row is touched as long as it is written to, by the clock, so that a slow one is not taken for
 * one that was left.
 */

#include "shared/blob/blob.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/blob/blob_internal.h"
#include "shared/blob/s3.h"
#include "shared/fiber/fiber.h"

#define SILENT_MS  (INT64_C(15) * 60 * 1000)
#define TOUCHES    4 /* in the time in which one must come */
#define SWEEP_ROWS 50

static const struct blob_kind *const kinds[] = {&blob_postgres, &blob_directory, &blob_s3};

static const struct blob_kind *kind_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}

int blob_stores_open(const struct blob_options *options, struct blob_stores **out,
                     struct error *err)
{
    struct blob_stores *stores = xcalloc(1, sizeof(*stores));
    int r = 0;

    ASSERT(options->pg);
    stores->kind = kind_of(options->store);
    stores->pg = options->pg;
    stores->pg_chunks = options->pg_chunks ? options->pg_chunks : options->pg;
    stores->silent_ms = options->silent_ms > 0 ? options->silent_ms : SILENT_MS;
    if (options->directory && options->directory[0])
        stores->directory = xstrdup(options->directory);
    if (!stores->kind)
        r = error_set(err, E_INVALID, "there is no store of files '%s'", options->store);
    if (r == 0 && options->s3.bucket && options->s3.bucket[0])
        r = s3_open(&options->s3, &stores->s3, err);
    if (r == 0 && stores->kind->check)
        r = stores->kind->check(stores, err);
    if (r < 0) {
        blob_stores_close(stores);
        return r;
    }
    *out = stores;
    return 0;
}

void blob_stores_close(struct blob_stores *stores)
{
    if (!stores)
        return;
    s3_close(stores->s3);
    free(stores->directory);
    free(stores);
}

size_t blob_held_bytes(const struct blob_stores *stores)
{
    return 2 * stores->kind->piece_bytes; /* as it was gathered, and as it is sent */
}

/* ---- drafts ---- */

struct blob_draft {
    const struct blob_kind *kind;
    struct blob_writer writer;
    struct digest *digest;
    struct buf piece;
    int64_t bytes;      /* all, in `piece` included */
    int64_t touched_ms; /* when its row was */
};

static void free_draft(struct blob_draft *draft)
{
    draft->kind->end(&draft->writer);
    digest_free(draft->digest);
    buf_deinit(&draft->piece);
    buf_deinit(&draft->writer.hint);
    buf_deinit(&draft->writer.progress);
    free(draft);
}

int blob_draft_begin(struct blob_stores *stores, struct uuid tenant, struct blob_draft **out,
                     struct error *err)
{
    struct store store = {.pg = stores->pg, .tenant = tenant};
    struct blob_draft *draft;
    struct uuid id = uuid_new();
    int r = blob_begin(&store, id, stores->kind->name, err);

    if (r < 0)
        return r;
    draft = xcalloc(1, sizeof(*draft));
    draft->kind = stores->kind;
    draft->writer = (struct blob_writer){.stores = stores, .id = id, .fd = -1};
    draft->digest = digest_new(DIGEST_SHA256);
    draft->touched_ms = clock_ms();
    buf_init(&draft->piece, stores->kind->piece_bytes);
    buf_init(&draft->writer.hint, BLOB_HINT_MAX);
    buf_init(&draft->writer.progress, 0);
    *out = draft;
    return 0;
}

static int touch(struct blob_draft *draft, struct text hint, struct error *err)
{
    int r = blob_touch(draft->writer.stores->pg, draft->writer.id, hint, err);

    if (r == 0)
        draft->touched_ms = clock_ms();
    return r;
}

/* The row knows what there is to take back before there is any of it that costs something. */
static int prepare(struct blob_draft *draft, struct error *err)
{
    int r;

    if (draft->writer.pieces > 0 || !draft->kind->prepare)
        return 0;
    r = draft->kind->prepare(&draft->writer, err);
    return r < 0 ? r : touch(draft, buf_text(&draft->writer.hint), err);
}

static int put(struct blob_draft *draft, bool last, struct error *err)
{
    struct text piece = buf_text(&draft->piece);
    int r = last ? 0 : prepare(draft, err);

    if (r == 0)
        r = draft->kind->put(&draft->writer, draft->bytes - (int64_t)piece.len, piece, last, err);
    if (r != 0)
        return r;
    draft->writer.pieces++;
    buf_reset(&draft->piece);
    return 0;
}

/* A full piece stays until more comes: the last one is told apart. */
int blob_draft_write(struct blob_draft *draft, struct text bytes, struct error *err)
{
    int r = 0;

    digest_add(draft->digest, bytes);
    if (clock_ms() - draft->touched_ms > draft->writer.stores->silent_ms / TOUCHES)
        r = touch(draft, TEXT_NONE, err);
    while (r == 0 && bytes.len > 0) {
        size_t room = draft->kind->piece_bytes - draft->piece.len;
        size_t some = bytes.len < room ? bytes.len : room;

        if (room == 0) {
            r = put(draft, false, err);
            continue;
        }
        buf_add(&draft->piece, bytes.ptr, some);
        draft->bytes += (int64_t)some;
        bytes = (struct text){bytes.ptr + some, bytes.len - some};
        if (buf_check(&draft->piece, err) < 0)
            r = error_set(err, E_UNAVAILABLE, "no memory for a piece of a file");
    }
    return r;
}

int blob_draft_finish(struct blob_draft *draft, struct blob_content *out, struct error *err)
{
    int r = put(draft, true, err);

    if (r != 0)
        return r;
    *out = (struct blob_content){.id = draft->writer.id, .bytes = draft->bytes};
    digest_end(draft->digest, out->sha256);
    return 0;
}

static int remove_all(struct blob_stores *stores, const struct blob_kind *kind,
                      const struct blob_place *place, struct error *err)
{
    int r = kind->remove(stores, place, err);

    return r < 0 ? r : blob_forget(stores->pg, place->id, err);
}

void blob_draft_end(struct blob_draft *draft, bool kept)
{
    struct blob_place place;
    struct error err;
    int r = 0;

    if (!draft)
        return;
    place = (struct blob_place){.id = draft->writer.id};
    if (draft->writer.hint.len > 0)
        place.hint = buf_text(&draft->writer.hint);
    /* The row in any case: then the sweep finds at once what can't be deleted here. */
    fiber_shield_enter();
    if (!kept)
        r = blob_give_up(draft->writer.stores->pg, draft->writer.id, &err);
    fiber_shield_leave();
    if (!kept && r == 0 && !draft->writer.away)
        r = remove_all(draft->writer.stores, draft->kind, &place, &err);
    if (r < 0)
        log_debug("a piece of a file is left to the sweep", LOG_ERROR(&err));
    free_draft(draft);
}

/* ---- reading and the sweep ---- */

static int unknown_store(const char *name, struct error *err)
{
    return error_set(err, E_UNAVAILABLE, "a file lies in the store '%s', which is not set up here",
                     name);
}

/* The kind, where what it needs is there. */
static int find_kind(const struct blob_stores *stores, const char *name,
                     const struct blob_kind **out, struct error *err)
{
    const struct blob_kind *kind = kind_of(name);

    if (!kind || (kind->check && kind->check(stores, err) < 0))
        return unknown_store(name, err);
    *out = kind;
    return 0;
}

int blob_read(struct blob_stores *stores, const struct blob_ref *ref, int64_t at, uint8_t *to,
              size_t size, size_t *out_count, struct error *err)
{
    const struct blob_kind *kind;
    int r = find_kind(stores, ref->store, &kind, err);

    ASSERT(at >= 0 && at < ref->bytes && size > 0 && size <= BLOB_READ_BYTES);
    if (ref->bytes - at < (int64_t)size)
        size = (size_t)(ref->bytes - at);
    if (r == 0)
        r = kind->read(stores, ref, at, to, size, out_count, err);
    if (r == 0 && *out_count == 0)
        r = error_set(err, E_NOT_FOUND, "bytes of a file are missing from the store '%s'",
                      ref->store);
    return r;
}

static int sweep_one(struct blob_stores *stores, const struct blob_place *place, struct error *err)
{
    const struct blob_kind *kind;
    struct error other;
    int r = find_kind(stores, place->store, &kind, err);

    if (r == 0)
        r = remove_all(stores, kind, place, err);
    if (r < 0 && r != -E_CANCELED)
        IGNORE(blob_postpone(stores->pg, place->id, &other));
    return r;
}

int blob_sweep(struct blob_stores *stores, size_t *out_gone, struct error *err)
{
    struct arena arena;
    struct store store = {.pg = stores->pg, .arena = &arena};
    struct blob_places places = {NULL, 0};
    int r;

    *out_gone = 0;
    arena_init(&arena, 0);
    r = blobs_left(&store, stores->silent_ms, SWEEP_ROWS, &places, err);
    for (size_t i = 0; r == 0 && i < places.count; i++) {
        r = sweep_one(stores, &places.items[i], err);
        *out_gone += r == 0;
    }
    arena_deinit(&arena);
    return r;
}
