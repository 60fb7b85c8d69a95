/* Blobs in a directory, which all processes see: a file each, in one of 256 folders by its id.
 *
 * It is written beside its place, flushed, and moved there, so what has its name is whole. All of
 * it happens on threads: a disk, or a server behind it, may take its time.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/blob/blob_internal.h"
#include "shared/fiber/offload.h"

#define PIECE_BYTES ((size_t)256 << 10)
#define FOLDER_MODE 0700
#define FILE_MODE   0600

/* One job for a thread. It touches nothing else. */
struct job {
    const char *directory;
    struct uuid id;
    int fd;
    int64_t at;
    struct text piece;
    bool last;
    uint8_t *to;
    size_t size;
    size_t count;
    const char *what; /* that failed */
    int error_number; /* 0: nothing did */
};

static void name_of(const struct job *job, const char *suffix, char **out_folder, char **out_path)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(job->id, id);
    /* The last digits are random, the first ones are the time. */
    *out_folder = xasprintf("%s/%s", job->directory, id + UUID_TEXT_SIZE - 3);
    *out_path = xasprintf("%s/%s%s", *out_folder, id, suffix);
}

static void failed(struct job *job, const char *what)
{
    job->what = what;
    job->error_number = errno;
}

static void open_new(struct job *job)
{
    char *folder;
    char *path;

    name_of(job, ".part", &folder, &path);
    if (mkdir(folder, FOLDER_MODE) < 0 && errno != EEXIST)
        failed(job, "can't make a folder");
    else
        job->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    if (job->error_number == 0 && job->fd < 0)
        failed(job, "can't make a file");
    free(folder);
    free(path);
}

static void write_piece(struct job *job)
{
    size_t done = 0;

    while (job->error_number == 0 && done < job->piece.len) {
        ssize_t wrote = pwrite(job->fd, job->piece.ptr + done, job->piece.len - done,
                               (off_t)(job->at + (int64_t)done));

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            failed(job, "can't write");
        else
            done += (size_t)wrote;
    }
}

/* Flushes the folder's own list of what is in it. */
static void flush_folder(struct job *job, const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        failed(job, "can't flush a folder");
    if (fd >= 0)
        close(fd);
}

static void move_to_its_place(struct job *job)
{
    char *folder;
    char *from;
    char *same;
    char *path;

    name_of(job, ".part", &folder, &from);
    name_of(job, "", &same, &path);
    if (fsync(job->fd) < 0)
        failed(job, "can't flush");
    if (job->error_number == 0 && rename(from, path) < 0)
        failed(job, "can't move a file to its place");
    if (job->error_number == 0)
        flush_folder(job, folder);
    if (job->error_number == 0)
        flush_folder(job, job->directory);
    free(folder);
    free(from);
    free(same);
    free(path);
}

static void put_job(void *arg)
{
    struct job *job = arg;

    if (job->fd < 0)
        open_new(job);
    write_piece(job);
    if (job->last && job->error_number == 0)
        move_to_its_place(job);
}

static void close_job(void *arg)
{
    close(((struct job *)arg)->fd);
}

static void read_job(void *arg)
{
    struct job *job = arg;
    char *folder;
    char *path;
    int fd;

    name_of(job, "", &folder, &path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT)
            failed(job, "can't open a file");
    } else {
        ssize_t got = pread(fd, job->to, job->size, (off_t)job->at);

        if (got < 0)
            failed(job, "can't read");
        else
            job->count = (size_t)got;
        close(fd);
    }
    free(folder);
    free(path);
}

static void remove_job(void *arg)
{
    static const char *const suffixes[] = {"", ".part"};
    struct job *job = arg;

    for (size_t i = 0; i < ARRAY_LENGTH(suffixes); i++) {
        char *folder;
        char *path;

        name_of(job, suffixes[i], &folder, &path);
        if (unlink(path) < 0 && errno != ENOENT)
            failed(job, "can't delete a file");
        free(folder);
        free(path);
    }
}

/* A full disk, or one that is away, passes. */
static int outcome(const struct job *job, struct error *err)
{
    if (job->error_number == 0)
        return 0;
    (void)error_set_errno(err, job->error_number, "%s in files.directory", job->what);
    if (err)
        err->code = E_UNAVAILABLE;
    return -E_UNAVAILABLE;
}

static int check(const struct blob_stores *stores, struct error *err)
{
    if (stores->directory)
        return 0;
    return error_set(err, E_INVALID, "files.directory must name a directory");
}

static int put(struct blob_writer *writer, int64_t at, struct text piece, bool last,
               struct error *err)
{
    struct job job = {
        .directory = writer->stores->directory,
        .id = writer->id,
        .fd = writer->fd,
        .at = at,
        .piece = piece,
        .last = last,
    };

    offload_disk(put_job, &job);
    writer->fd = job.fd;
    return outcome(&job, err);
}

static void end(struct blob_writer *writer)
{
    struct job job = {.fd = writer->fd};

    if (writer->fd >= 0)
        offload_disk(close_job, &job);
    writer->fd = -1;
}

static int read_piece(struct blob_stores *stores, const struct blob_ref *ref, int64_t at,
                      uint8_t *to, size_t size, size_t *out_count, struct error *err)
{
    struct job job = {
        .directory = stores->directory, .id = ref->id, .at = at, .to = to, .size = size};

    offload_disk(read_job, &job);
    *out_count = job.count;
    return outcome(&job, err);
}

static int remove_file(struct blob_stores *stores, const struct blob_place *place,
                       struct error *err)
{
    struct job job = {.directory = stores->directory, .id = place->id};

    offload_disk(remove_job, &job);
    return outcome(&job, err);
}

const struct blob_kind blob_directory = {
    .name = "directory",
    .piece_bytes = PIECE_BYTES,
    .check = check,
    .put = put,
    .end = end,
    .read = read_piece,
    .remove = remove_file,
};
