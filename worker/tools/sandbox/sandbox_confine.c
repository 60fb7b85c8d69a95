/* One sandbox: descriptors, the order, and three pipes that are read to their ends.
 *
 * A pipe ends when nobody has it open any more, so when all three have ended nobody is left. One
 * who holds them open is killed with all else when the time is over; penstock-inside ends its
 * program some seconds before that, so that files can be packed.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/offload.h"
#include "shared/io/io.h"
#include "worker/tools/sandbox/confinement.h"
#include "worker/tools/sandbox/sandbox_internal.h"

#define GRACE_MS        10000 /* beyond the program's own time: to start, and to pack */
#define FLOOD_BYTES     ((uint64_t)8 << 20)
#define READ_BYTES      ((size_t)64 << 10)
#define UIDS            1000
#define DESCRIPTORS     64
#define SPARE_PROCESSES 8 /* bubblewrap's, and ours inside */
#define NICE            15

/* One of the pipes, from its other end. */
struct stream {
    struct confined *confined;
    int fd;
    int theirs;
    struct capture *capture; /* takes what comes, or */
    struct buf *buf;         /* does */
    struct fiber *fiber;
};

struct confined {
    struct sandbox_outcome *outcome;
    struct spawned *spawned;
    struct stream out;
    struct stream error;
    struct stream archive;
    int files;
    int inside;
    int filter;
    int64_t deadline_ms;
};

static int open_stream(struct confined *confined, struct stream *stream, struct error *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return error_set_errno(err, errno, "pipe");
    stream->confined = confined;
    stream->fd = fds[0];
    stream->theirs = fds[1];
    return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? error_set_errno(err, errno, "fcntl") : 0;
}

struct writing {
    int fd;
    struct text bytes;
    bool failed;
};

/* On a thread where there are many. */
static void write_memory(void *arg)
{
    struct writing *writing = arg;
    struct text rest = writing->bytes;

    while (rest.len > 0 && !writing->failed) {
        ssize_t put = write(writing->fd, rest.ptr, rest.len);

        writing->failed = put < 0 && errno != EINTR;
        if (put > 0) {
            rest.ptr += put;
            rest.len -= (size_t)put;
        }
    }
}

/* A file in memory with these bytes, to be read from its beginning. */
static int open_memory(const char *name, struct text bytes, int *out, struct error *err)
{
    struct writing writing = {.fd = memfd_create(name, MFD_CLOEXEC), .bytes = bytes};

    if (writing.fd < 0)
        return error_set_errno(err, errno, "memfd_create");
    *out = writing.fd;
    offload_large(bytes.len, write_memory, &writing);
    if (writing.failed || lseek(writing.fd, 0, SEEK_SET) < 0)
        return error_set(err, E_SYSTEM, "a file in memory can't be written");
    return 0;
}

static int open_all(struct sandbox *sandbox, struct text files, struct confined *confined,
                    struct error *err)
{
    int r = open_stream(confined, &confined->out, err);

    if (r == 0)
        r = open_stream(confined, &confined->error, err);
    if (r == 0)
        r = open_stream(confined, &confined->archive, err);
    if (r == 0)
        r = open_memory("penstock-files", files, &confined->files, err);
    if (r == 0)
        r = open_memory("penstock-filter", buf_text(&sandbox->filter), &confined->filter, err);
    if (r < 0)
        return r;
    confined->inside = open(sandbox->inside, O_RDONLY | O_CLOEXEC);
    return confined->inside < 0 ? error_set_errno(err, errno, "can't open %s", sandbox->inside) : 0;
}

/* What the program and bubblewrap got is theirs alone: the pipes end with them. */
static void close_theirs(struct confined *confined)
{
    io_close(&confined->out.theirs);
    io_close(&confined->error.theirs);
    io_close(&confined->archive.theirs);
    io_close(&confined->files);
    io_close(&confined->inside);
    io_close(&confined->filter);
}

static void pass(struct spawn_order *order, int fd, int number)
{
    order->fds[order->fd_count] = fd;
    order->fd_numbers[order->fd_count++] = number;
}

static void limit(struct spawn_order *order, int resource, uint64_t value)
{
    order->limits[order->limit_count++] = (struct spawn_limit){resource, value};
}

/* Processes are counted by uid: where it is nobody's but the sandbox's own this is the limit that
 * older kernels have; else the worker's own would count, and penstock-inside's limit has to do. */
static void set_limits(const struct sandbox *sandbox, struct spawn_order *order)
{
    const struct sandbox_options *options = &sandbox->options;

    limit(order, RLIMIT_CORE, 0);
    limit(order, RLIMIT_MEMLOCK, 0);
    limit(order, RLIMIT_MSGQUEUE, 0);
    limit(order, RLIMIT_NOFILE, DESCRIPTORS);
    if (geteuid() == 0)
        limit(order, RLIMIT_NPROC, (uint64_t)options->processes + SPARE_PROCESSES);
    order->first_uid = (uint32_t)options->first_uid;
    order->uid_count = UIDS;
    order->nice = NICE;
    order->idle = true;
    for (size_t i = 0; i < sandbox->group_count; i++)
        order->groups[order->group_count++] = sandbox->groups[i];
    order->group_memory_bytes = (uint64_t)options->memory_bytes;
    order->group_processes = (uint64_t)options->processes + SPARE_PROCESSES;
}

static int start(struct sandbox *sandbox, const char *const *inside, struct confined *confined,
                 struct error *err)
{
    const struct confinement confinement = {.bwrap = sandbox->bwrap,
                                            .disk_bytes = sandbox->options.disk_bytes};
    struct confinement_arguments arguments;
    struct spawn_order order = {.argv = arguments.list};

    confinement_arguments(&confinement, inside, &arguments);
    pass(&order, confined->out.theirs, STDOUT_FILENO);
    pass(&order, confined->error.theirs, STDERR_FILENO);
    pass(&order, confined->files, CONFINED_IN);
    pass(&order, confined->archive.theirs, CONFINED_OUT);
    pass(&order, confined->inside, CONFINED_INSIDE);
    pass(&order, confined->filter, CONFINED_FILTER);
    set_limits(sandbox, &order);
    return spawn_start(sandbox->spawner, &order, confined->deadline_ms, &confined->spawned, err);
}

/* False: that is more than anybody wants to read. */
static bool take(struct stream *stream, struct text bytes)
{
    if (stream->buf) {
        buf_add_text(stream->buf, bytes);
        return !stream->buf->failed;
    }
    capture_add(stream->capture, bytes);
    return stream->capture->bytes <= FLOOD_BYTES;
}

static void read_stream(void *arg)
{
    struct stream *stream = arg;
    struct confined *confined = stream->confined;
    char *piece = malloc(READ_BYTES);
    size_t count;

    while (piece &&
           io_read(stream->fd, piece, READ_BYTES, confined->deadline_ms, &count, NULL) == 0)
        if (!take(stream, (struct text){piece, count})) {
            confined->outcome->flooded = true;
            break;
        }
    free(piece);
    spawn_kill(confined->spawned); /* does nothing behind its end */
}

static void read_all(struct confined *confined)
{
    struct stream *const streams[] = {&confined->out, &confined->error, &confined->archive};

    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++)
        streams[i]->fiber = fiber_start("sandbox", read_stream, streams[i]);
}

/* Waits for the end of everything; a cancel of the caller kills it. */
static int finish(struct confined *confined, struct error *err)
{
    struct stream *const streams[] = {&confined->out, &confined->error, &confined->archive};
    struct spawn_report report;
    int r = spawn_wait(confined->spawned, confined->deadline_ms, &report, err);

    if (r < 0)
        spawn_kill(confined->spawned);
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++) {
        fiber_join(streams[i]->fiber);
        io_close(&streams[i]->fd);
    }
    spawn_close(confined->spawned);
    if (r == -E_TIMEOUT)
        return 0; /* whoever was to tell of its end did not: it is lost */
    return r;
}

int sandbox_confine(struct sandbox *sandbox, const char *const *inside, int64_t wall_ms,
                    struct text files, struct sandbox_outcome *out, struct error *err)
{
    struct confined confined = {
        .outcome = out,
        .out = {.fd = -1, .theirs = -1, .capture = &out->out},
        .error = {.fd = -1, .theirs = -1, .capture = &out->error},
        .archive = {.fd = -1, .theirs = -1, .buf = &out->archive},
        .files = -1,
        .inside = -1,
        .filter = -1,
        .deadline_ms = deadline_in(wall_ms + GRACE_MS),
    };
    int64_t since_us = clock_us();
    int r;

    capture_deinit(&out->out);
    capture_deinit(&out->error);
    capture_init(&out->out, (size_t)sandbox->options.output_bytes);
    capture_init(&out->error, (size_t)sandbox->options.output_bytes);
    r = open_all(sandbox, files, &confined, err);
    if (r == 0)
        r = start(sandbox, inside, &confined, err);
    close_theirs(&confined);
    if (r == 0) {
        read_all(&confined);
        r = finish(&confined, err);
    }
    io_close(&confined.out.fd);
    io_close(&confined.error.fd);
    io_close(&confined.archive.fd);
    out->elapsed_us = clock_us() - since_us;
    return r;
}
