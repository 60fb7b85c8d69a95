/* Files in and out
 *
 * What a program leaves is stored under ids that follow from its call: who makes the call again, as
 * nobody knows what came of it, replaces what was left the first time, and nothing is there twice.
 */

#include "worker/tools/sandbox/work_files.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/blob/blob.h"
#include "shared/fiber/offload.h"
#include "shared/store/files/files.h"
#include "worker/tools/sandbox/archive.h"
#include "worker/tools/tool.h"

#define PURPOSE "assistants_output"

void work_files_init(struct work_files *files, const struct tool_call *call, struct arena *arena)
{
    memset(files, 0, sizeof(*files));
    files->call = call;
    files->arena = arena;
    buf_init(&files->note, 4096);
}

void work_files_deinit(struct work_files *files)
{
    buf_deinit(&files->note);
}

static struct store store_of(const struct work_files *files)
{
    return (struct store){
        .pg = files->call->services->files.rows,
        .tenant = files->call->place.tenant,
        .arena = files->arena,
    };
}

static void note(struct work_files *files, struct text what, const char *why)
{
    buf_printf(&files->note, "%s%.*s: %s.", files->note.len > 0 ? " " : "",
               TEXT_ARGS(text_prefix(what, 100)), why);
}

static int read_blob(struct work_files *files, const struct blob_ref *ref, struct buf *out,
                     struct error *err)
{
    int64_t at = 0;

    while (at < ref->bytes) {
        char *to = buf_reserve(out, BLOB_READ_BYTES);
        size_t count;
        int r;

        if (!to)
            return buf_check(out, err);
        r = blob_read(files->call->services->files.blobs, ref, at, (uint8_t *)to, BLOB_READ_BYTES,
                      &count, err);
        if (r < 0)
            return r;
        out->len += count;
        at += (int64_t)count;
    }
    return 0;
}

/* The name that a file has in the sandbox: the last part of its own, unless another has it. */
static void name_input(const struct file *file, const struct buf *archive, char *out, size_t size)
{
    char id[ID_TEXT_SIZE];

    (void)snprintf(out, size, "in/%.*s", TEXT_ARGS(text_prefix(file->filename, 255)));
    if (archive_path_fits(text_of(out)) &&
        (archive->len == 0 || !memmem(archive->ptr, archive->len, out, strlen(out))))
        return;
    id_format(ID_FILE, file->id, id);
    (void)snprintf(out, size, "in/%s", id);
}

static int fetch_input(struct work_files *files, struct text name, struct buf *archive,
                       struct error *err)
{
    struct store store = store_of(files);
    CLEANUP(buf_deinit) struct buf bytes;
    char path[ARCHIVE_PATH_MAX];
    struct uuid id = {{0}};
    struct file file;
    int r = id_parse(ID_FILE, name, &id) ? file_get(&store, id, &file, err) : FILE_MISSING;

    buf_init(&bytes, SANDBOX_IN_BYTES + BLOB_READ_BYTES);
    if (r < 0)
        return r;
    if (r == FILE_MISSING || file.bytes > (int64_t)(SANDBOX_IN_BYTES - archive->len)) {
        note(files, name,
             r == FILE_MISSING ? "there is no such file any more"
                               : "it is not in /job/in, since all files have more than 16 MiB");
        return 0;
    }
    r = read_blob(files, &file.blob, &bytes, err);
    if (r == -E_NOT_FOUND) {
        note(files, name, "its bytes are missing");
        return 0;
    }
    if (r < 0)
        return r;
    name_input(&file, archive, path, sizeof(path));
    archive_add(archive, &(struct archive_entry){.kind = ARCHIVE_FILE,
                                                 .path = text_of(path),
                                                 .bytes = buf_text(&bytes)});
    return buf_check(archive, err);
}

/* A folder of another form is none: it was written by another version. */
static int fetch_folder(struct work_files *files, struct buf *archive, struct error *err)
{
    CLEANUP(buf_deinit) struct buf bytes;
    struct archive_entry entry;
    struct text rest;
    int r = 0;

    buf_init(&bytes, SANDBOX_WORK_BYTES + BLOB_READ_BYTES + ((size_t)1 << 20));
    if (files->found.has_folder)
        r = read_blob(files, &files->found.folder, &bytes, err);
    if (r == -E_NOT_FOUND || r == -E_LIMIT) {
        note(files, TEXT("/job/work"), "its files are lost");
        return 0;
    }
    rest = buf_text(&bytes);
    while (r == 0 && archive_next(&rest, &entry, NULL) == 0)
        if (text_starts(entry.path, "work/") && entry.kind != ARCHIVE_SKIPPED)
            archive_add(archive, &entry);
    return r < 0 ? r : buf_check(archive, err);
}

int work_files_fetch(struct work_files *files, struct buf *archive, struct error *err)
{
    struct store store = store_of(files);
    int r = work_folder_find(&store, files->call->place.lease.run, files->call->key, &files->found,
                             err);

    if (r == RUN_MISSING)
        return error_set(err, E_NOT_FOUND, "the run is gone");
    for (size_t i = 0; r == 0 && i < files->found.input_count; i++)
        r = fetch_input(files, files->found.inputs[i].file, archive, err);
    return r < 0 ? r : fetch_folder(files, archive, err);
}

struct digesting {
    struct text bytes;
    uint8_t digest[SHA256_BYTES];
};

static void digest(void *arg)
{
    struct digesting *digesting = arg;

    sha256(digesting->bytes, digesting->digest);
}

/* Bytes that somebody will have: `keep` gives them to him, and says what became of them. */
struct keeping {
    struct work_files *files;
    int (*keep)(struct keeping *keeping, const struct blob_content *content, bool *out_spare,
                struct error *err);
    struct new_file file;
};

static int keep_bytes(struct keeping *keeping, struct text bytes, struct error *err)
{
    const struct tool_call *call = keeping->files->call;
    struct blob_draft *draft = NULL;
    struct blob_content content;
    bool spare = true;
    int r = blob_draft_begin(call->services->files.blobs, call->place.tenant, &draft, err);

    while (r == 0 && bytes.len > 0) {
        size_t piece = bytes.len < BLOB_READ_BYTES ? bytes.len : BLOB_READ_BYTES;

        r = blob_draft_write(draft, (struct text){bytes.ptr, piece}, err);
        bytes.ptr += piece;
        bytes.len -= piece;
    }
    if (r == 0)
        r = blob_draft_finish(draft, &content, err);
    if (r == 0) {
        content.quota = call->services->files.quota;
        r = keeping->keep(keeping, &content, &spare, err);
    }
    blob_draft_end(draft, r == 0 && !spare);
    return r;
}

static int keep_file(struct keeping *keeping, const struct blob_content *content, bool *out_spare,
                     struct error *err)
{
    struct store store = store_of(keeping->files);
    struct file made;
    int r = file_create(&store, &keeping->file, content, &made, out_spare, err);

    if (r != -E_CONFLICT)
        return r;
    r = file_delete(&store, keeping->file.id, err); /* of an earlier attempt */
    return r < 0 ? r : file_create(&store, &keeping->file, content, &made, out_spare, err);
}

/* From its call and its path, in the form of the ids of files. */
static struct uuid make_id(const struct work_files *files, struct text path)
{
    CLEANUP(buf_deinit) struct buf from;
    uint8_t digest_of[SHA256_BYTES];
    struct uuid id = files->call->place.lease.run;

    buf_init(&from, 0);
    buf_printf(&from, "%.*s %.*s", TEXT_ARGS(files->call->key), TEXT_ARGS(path));
    sha256(buf_text(&from), digest_of);
    memcpy(id.bytes + 8, digest_of, 8); /* its time stays the run's */
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

static bool is_image(struct text bytes)
{
    return (bytes.len >= 8 && memcmp(bytes.ptr, "\x89PNG\r\n\x1a\n", 8) == 0) ||
           (bytes.len >= 3 && memcmp(bytes.ptr, "\xff\xd8\xff", 3) == 0) ||
           (bytes.len >= 6 && memcmp(bytes.ptr, "GIF8", 4) == 0) ||
           (bytes.len >= 12 && memcmp(bytes.ptr, "RIFF", 4) == 0 &&
            memcmp(bytes.ptr + 8, "WEBP", 4) == 0);
}

/* Folders of it are part of its name, since files have none. */
static struct text file_name(struct work_files *files, struct text path)
{
    char *name = arena_copy(files->arena, path);

    for (size_t i = 0; name && i < path.len; i++)
        if (name[i] == '/')
            name[i] = '_';
    return (struct text){name, name ? path.len : 0};
}

static int keep_output(struct work_files *files, const struct archive_entry *entry,
                       struct error *err)
{
    struct text path = {entry->path.ptr + 4, entry->path.len - 4}; /* without "out/" */
    struct keeping keeping = {
        .files = files,
        .keep = keep_file,
        .file = {.id = make_id(files, path),
                 .filename = file_name(files, text_prefix(path, 255)),
                 .purpose = TEXT(PURPOSE)},
    };
    int r;

    if (files->made_count >= SANDBOX_OUT_FILES || keeping.file.filename.len == 0)
        return 0;
    r = keep_bytes(&keeping, entry->bytes, err);
    if (r == FILES_FULL) {
        note(files, path, "it was not kept, since the storage for files is full");
        return 0;
    }
    if (r > 0)
        return error_set(err, E_UNAVAILABLE, "a file could not be kept: try again");
    if (r == 0)
        files->made[files->made_count++] = (struct interpreter_file){
            keeping.file.id, keeping.file.filename, entry->bytes.len, is_image(entry->bytes)};
    return r;
}

static int keep_folder_row(struct keeping *keeping, const struct blob_content *content,
                           bool *out_spare, struct error *err)
{
    const struct tool_call *call = keeping->files->call;
    struct store store = store_of(keeping->files);
    const struct run_lease *lease = &call->place.lease;
    const struct work_keeping as = {lease->run, lease->owner, lease->fence, call->place.thread,
                                    call->key};

    return work_folder_keep(&store, &as, content, out_spare, err);
}

static int keep_folder(struct work_files *files, struct text bytes, struct error *err)
{
    struct keeping keeping = {.files = files, .keep = keep_folder_row};
    struct digesting digesting = {.bytes = bytes};
    int r;

    if (!files->found.has_folder && bytes.len == 0)
        return 0;
    offload_large(bytes.len, digest, &digesting);
    if (files->found.has_folder &&
        memcmp(digesting.digest, files->found.folder.sha256, SHA256_BYTES) == 0)
        return 0;
    r = keep_bytes(&keeping, bytes, err);
    if (r == FILES_FULL) {
        note(files, TEXT("/job/work"), "it was not kept, since the storage for files is full");
        return 0;
    }
    return r > 0 ? error_set(err, E_CONFLICT, "the run is no longer this worker's") : r;
}

int work_files_keep(struct work_files *files, struct text archive, struct error *err)
{
    CLEANUP(buf_deinit) struct buf folder;
    struct archive_entry entry;
    int r = 0;

    buf_init(&folder, SANDBOX_WORK_BYTES + ((size_t)2 << 20));
    while (r == 0 && archive_next(&archive, &entry, NULL) == 0) {
        if (text_starts(entry.path, "work/") && entry.kind != ARCHIVE_SKIPPED)
            archive_add(&folder, &entry);
        if (text_starts(entry.path, "out/") && entry.kind == ARCHIVE_FILE)
            r = keep_output(files, &entry, err);
    }
    if (r < 0)
        return r;
    if (folder.failed) {
        note(files, TEXT("/job/work"), "it was not kept, since it has more than 8 MiB");
        return 0;
    }
    return keep_folder(files, buf_text(&folder), err);
}
