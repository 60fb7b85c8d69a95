/* Blobs in a directory, which all processes see: a file each, in one of 256 folders by its id.
 *
 * It is written beside its place, flushed, and moved there, so what has its name is whole. All of
 * it happens on threads: a disk, or a server behind it, may take its time.
 *
 * Only files.directory itself may be a symbolic link. Below it none is followed: who can put one
 * there must not have files of this process read, written or deleted in his stead.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/error.h"
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

/* Where a job's file is, or is to be. */
struct place {
    int directory; /* -1: it could not be opened */
    int folder;    /* of it; the same */
    char name[UUID_TEXT_SIZE];
    char part[UUID_TEXT_SIZE + sizeof(".part")]; /* as long as it is being written */
};

static void failed(struct job *job, const char *what)
{
    job->what = what;
    job->error_number = errno;
}

static void close_place(struct place *place)
{
    if (place->folder >= 0)
        close(place->folder);
    if (place->directory >= 0)
        close(place->directory);
}

/* Fills what it can, with errno for what it can't. */
static void open_place(const struct job *job, bool makes, struct place *out)
{
    const char *folder = out->name + UUID_TEXT_SIZE - 3; /* the first digits are the time */

    *out = (struct place){.folder = -1};
    uuid_format(job->id, out->name);
    (void)snprintf(out->part, sizeof(out->part), "%s.part", out->name);
    out->directory = open(job->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (out->directory < 0)
        return;
    if (makes && mkdirat(out->directory, folder, FOLDER_MODE) < 0 && errno != EEXIST)
        return;
    out->folder = openat(out->directory, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void open_new(struct job *job)
{
    CLEANUP(close_place) struct place place;

    open_place(job, true, &place);
    if (place.folder < 0) {
        failed(job, "can't make a folder");
        return;
    }
    job->fd = openat(place.folder, place.part,
                     O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (job->fd < 0)
        failed(job, "can't make a file");
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

static void move_to_its_place(struct job *job)
{
    CLEANUP(close_place) struct place place;

    open_place(job, false, &place);
    if (place.folder < 0)
        failed(job, "can't open a folder");
    else if (fsync(job->fd) < 0)
        failed(job, "can't flush");
    else if (renameat(place.folder, place.part, place.folder, place.name) < 0)
        failed(job, "can't move a file to its place");
    else if (fsync(place.folder) < 0 || fsync(place.directory) < 0) /* lists of what is in them */
        failed(job, "can't flush a folder");
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

static void read_bytes(struct job *job, int fd)
{
    ssize_t got = pread(fd, job->to, job->size, (off_t)job->at);

    if (got < 0)
        failed(job, "can't read");
    else
        job->count = (size_t)got;
}

static void read_job(void *arg)
{
    CLEANUP(close_place) struct place place;
    struct job *job = arg;
    int fd = -1;

    open_place(job, false, &place);
    if (place.folder >= 0) /* of a pipe nobody waits for the other end */
        fd = openat(place.folder, place.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT)
            failed(job, "can't open a file");
        return;
    }
    read_bytes(job, fd);
    close(fd);
}

static void remove_job(void *arg)
{
    CLEANUP(close_place) struct place place;
    struct job *job = arg;

    open_place(job, false, &place);
    if (place.folder < 0) {
        if (errno != ENOENT)
            failed(job, "can't open a folder");
    } else if ((unlinkat(place.folder, place.name, 0) < 0 && errno != ENOENT) ||
               (unlinkat(place.folder, place.part, 0) < 0 && errno != ENOENT)) {
        failed(job, "can't delete a file");
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
