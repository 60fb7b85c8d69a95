/* The worker's end: one fiber reads reports and hands them to those who wait.
 *
 * The helper is started by posix_spawn, which copies no address space, and so may be used while the
 * loop runs.
 */

#include "shared/process/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/list.h"
#include "shared/base/memory.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/fiber.h"
#include "shared/io/io.h"

#define HELPER_NAME   "penstock-spawn"
#define HELPER_FD     3
#define PAUSE_MIN_MS  100
#define PAUSE_MAX_MS  5000
#define STEADY_MS     10000 /* a helper that lived for so long is no sign of trouble */
#define CLOSE_WAIT_MS 10000 /* for the end of what was killed */

struct spawner {
    char *path;
    int socket; /* -1: there is no helper */
    pid_t pid;
    int64_t born_ms;
    int64_t pause_ms;
    uint64_t next_id;
    uint64_t restarts;
    struct list programs; /* of spawned.link */
    struct fiber *reader;
    bool sending;
    struct cond sent;
};

struct spawned {
    struct list link;
    struct spawner *spawner;
    uint64_t id;
    bool heard; /* started or failed */
    bool ended; /* failed, ended, or lost with its helper */
    bool lost;
    struct spawn_report report;
    struct cond changed;
};

extern char **environ;

/* Its end of the socket is number 3; the worker's other descriptors close by themselves. */
static int launch(struct spawner *spawner, int fd, struct error *err)
{
    posix_spawn_file_actions_t actions;
    char parent[16];
    char *const argv[] = {spawner->path, (char *)"serve", (char *)"3", parent, NULL};
    char *const no_environment[] = {NULL};
    int reason;

    (void)snprintf(parent, sizeof(parent), "%d", (int)getpid());
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, HELPER_FD);
    reason = posix_spawn(&spawner->pid, spawner->path, &actions, NULL, argv, no_environment);
    posix_spawn_file_actions_destroy(&actions);
    if (reason == ENOENT)
        return error_set(err, E_NOT_FOUND, "there is no %s", spawner->path);
    return reason ? error_set_errno(err, reason, "can't start %s", spawner->path) : 0;
}

static int start_helper(struct spawner *spawner, struct error *err)
{
    int pair[2];
    int aside;
    int r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return error_set_errno(err, errno, "socketpair");
    aside = fcntl(pair[1], F_DUPFD_CLOEXEC, HELPER_FD + 1); /* dup2 onto itself keeps O_CLOEXEC */
    close(pair[1]);
    r = aside < 0 ? error_set_errno(err, errno, "fcntl") : launch(spawner, aside, err);
    if (aside >= 0)
        close(aside);
    if (r == 0 && fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
        r = error_set_errno(err, errno, "fcntl");
    if (r < 0) {
        close(pair[0]);
        return r;
    }
    spawner->socket = pair[0];
    spawner->born_ms = clock_ms();
    return 0;
}

static struct spawned *find(struct spawner *spawner, uint64_t id)
{
    list_for_each (item, &spawner->programs) {
        struct spawned *spawned = CONTAINER_OF(item, struct spawned, link);

        if (spawned->id == id)
            return spawned;
    }
    return NULL;
}

static void take_report(struct spawner *spawner, struct spawn_report *report)
{
    struct spawned *spawned = find(spawner, report->id);

    if (!spawned)
        return;
    report->text[SPAWN_TEXT_SIZE - 1] = 0;
    spawned->report = *report;
    spawned->heard = true;
    spawned->ended = report->kind != SPAWN_STARTED;
    cond_broadcast(&spawned->changed);
}

/* Until the helper is gone (0), or an error. */
static int read_reports(struct spawner *spawner, struct error *err)
{
    for (;;) {
        struct spawn_report report;
        ssize_t got = recv(spawner->socket, &report, sizeof(report), 0);
        int r = 0;

        if (got == (ssize_t)sizeof(report))
            take_report(spawner, &report);
        else if (got == 0)
            return 0;
        else if (got < 0 && (errno == EAGAIN || errno == EINTR))
            r = io_wait(spawner->socket, IO_READ, DEADLINE_NONE, err);
        else
            return error_set(err, E_PROTOCOL, "the helper speaks another form");
        if (r < 0)
            return r;
    }
}

static void bury_helper(struct spawner *spawner)
{
    io_close(&spawner->socket);
    if (waitpid(spawner->pid, NULL, WNOHANG) == 0) {
        kill(spawner->pid, SIGKILL);
        waitpid(spawner->pid, NULL, 0);
    }
    list_for_each (item, &spawner->programs) {
        struct spawned *spawned = CONTAINER_OF(item, struct spawned, link);

        spawned->lost |= !spawned->ended;
        spawned->heard = spawned->ended = true;
        cond_broadcast(&spawned->changed);
    }
}

static int64_t next_pause(struct spawner *spawner)
{
    int64_t pause_ms = spawner->pause_ms;

    if (clock_ms() - spawner->born_ms >= STEADY_MS)
        pause_ms = 0;
    spawner->pause_ms = pause_ms ? pause_ms * 2 : PAUSE_MIN_MS;
    if (spawner->pause_ms > PAUSE_MAX_MS)
        spawner->pause_ms = PAUSE_MAX_MS;
    return pause_ms;
}

static void reader_fiber(void *arg)
{
    struct spawner *spawner = arg;
    struct error err;

    for (;;) {
        int r = spawner->socket >= 0 ? read_reports(spawner, &err) : 0;

        if (r == -E_CANCELED)
            return;
        if (spawner->socket >= 0)
            bury_helper(spawner);
        if (fiber_sleep(next_pause(spawner), &err) < 0)
            return;
        spawner->restarts++;
        IGNORE(start_helper(spawner, &err)); /* tried again behind the next pause */
    }
}

static char *beside_this_program(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *slash;

    if (length <= 0)
        return xstrdup(HELPER_NAME);
    path[length] = 0;
    slash = strrchr(path, '/');
    return xasprintf("%.*s/" HELPER_NAME, slash ? (int)(slash - path) : 0, path);
}

int spawner_open(const char *path, struct spawner **out, struct error *err)
{
    struct spawner *spawner = xcalloc(1, sizeof(*spawner));
    int r;

    spawner->path = path ? xstrdup(path) : beside_this_program();
    spawner->socket = -1;
    list_init(&spawner->programs);
    cond_init(&spawner->sent);
    r = start_helper(spawner, err);
    if (r < 0) {
        free(spawner->path);
        free(spawner);
        return r;
    }
    spawner->reader = fiber_start("spawner", reader_fiber, spawner);
    *out = spawner;
    return 0;
}

void spawner_close(struct spawner *spawner)
{
    if (!spawner)
        return;
    ASSERT(list_empty(&spawner->programs));
    fiber_cancel(spawner->reader);
    fiber_join(spawner->reader);
    if (spawner->socket >= 0) {
        io_close(&spawner->socket); /* it kills what runs, and ends */
        waitpid(spawner->pid, NULL, 0);
    }
    free(spawner->path);
    free(spawner);
}

uint64_t spawner_restarts(const struct spawner *spawner)
{
    return spawner->restarts;
}

static int send_now(struct spawner *spawner, const struct msghdr *message, int64_t deadline_ms,
                    struct error *err)
{
    for (;;) {
        int r;

        if (spawner->socket < 0)
            return error_set(err, E_UNAVAILABLE, "the helper that starts programs is away");
        if (sendmsg(spawner->socket, message, MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return error_set(err, E_UNAVAILABLE, "the helper that starts programs went away");
        r = io_wait(spawner->socket, IO_WRITE, deadline_ms, err);
        if (r < 0)
            return r;
    }
}

/* One fiber at a time waits for room. */
static int send_frame(struct spawner *spawner, const struct buf *frame, const int *fds,
                      size_t fd_count, int64_t deadline_ms, struct error *err)
{
    char control[CMSG_SPACE(SPAWN_FDS_MAX * sizeof(int))] = {0};
    struct iovec part = {frame->ptr, frame->len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int r = 0;

    if (fd_count > 0) {
        struct cmsghdr *rights;

        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, fd_count * sizeof(int));
    }
    while (r == 0 && spawner->sending)
        r = cond_wait(&spawner->sent, deadline_ms, err);
    if (r < 0)
        return r;
    spawner->sending = true;
    r = send_now(spawner, &message, deadline_ms, err);
    spawner->sending = false;
    cond_signal(&spawner->sent);
    return r;
}

static void forget(struct spawned *spawned)
{
    list_remove(&spawned->link);
    free(spawned);
}

/* Returns 0 when `*flag` is set. */
static int await(struct spawned *spawned, const bool *flag, int64_t deadline_ms, struct error *err)
{
    int r = 0;

    while (r == 0 && !*flag)
        r = cond_wait(&spawned->changed, deadline_ms, err);
    if (r < 0)
        return r;
    if (spawned->lost)
        return error_set(err, E_UNAVAILABLE, "the helper that starts programs died");
    return 0;
}

int spawn_start(struct spawner *spawner, struct spawn_order *order, int64_t deadline_ms,
                struct spawned **out, struct error *err)
{
    struct spawned *spawned = xcalloc(1, sizeof(*spawned));
    CLEANUP(buf_deinit) struct buf frame;
    int r;

    buf_init(&frame, SPAWN_FRAME_MAX + 1);
    spawned->spawner = spawner;
    spawned->id = order->id = ++spawner->next_id;
    cond_init(&spawned->changed);
    list_add(&spawner->programs, &spawned->link);
    r = spawn_order_encode(order, &frame, err);
    if (r == 0)
        r = send_frame(spawner, &frame, order->fds, order->fd_count, deadline_ms, err);
    if (r < 0) {
        forget(spawned);
        return r;
    }
    r = await(spawned, &spawned->heard, deadline_ms, err);
    if (r == 0 && spawned->report.kind == SPAWN_FAILED)
        r = error_set_errno(err, spawned->report.error_number, "%s", spawned->report.text);
    if (r < 0) {
        spawn_close(spawned);
        return r;
    }
    *out = spawned;
    return 0;
}

int spawn_wait(struct spawned *spawned, int64_t deadline_ms, struct spawn_report *out,
               struct error *err)
{
    int r = await(spawned, &spawned->ended, deadline_ms, err);

    if (r == 0)
        *out = spawned->report;
    return r;
}

void spawn_kill(struct spawned *spawned)
{
    CLEANUP(buf_deinit) struct buf frame;

    buf_init(&frame, SPAWN_FRAME_MAX);
    if (spawned->ended)
        return;
    spawn_kill_encode(spawned->id, &frame);
    fiber_shield_enter();
    IGNORE(send_frame(spawned->spawner, &frame, NULL, 0, deadline_in(CLOSE_WAIT_MS), NULL));
    fiber_shield_leave();
}

void spawn_close(struct spawned *spawned)
{
    if (!spawned)
        return;
    spawn_kill(spawned);
    fiber_shield_enter();
    IGNORE(await(spawned, &spawned->ended, deadline_in(CLOSE_WAIT_MS), NULL));
    fiber_shield_leave();
    forget(spawned);
}
