/* The helper process
 *
 * It is a program of its own (main.c), of a few hundred KiB, and has one thread: a worker has
 * several, hundreds of megabytes and connections that nobody else is to have, and must never fork.
 *
 * Orders come over the socket, ends by SIGCHLD. Whoever is orphaned becomes its child and is
 * reaped. When the worker goes, the socket ends and the system kills the helper; and the programs
 * with it, since each has asked for that.
 */

#include "shared/process/spawn_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/process/spawn_child.h"
#include "shared/process/spawn_order.h"

struct helper {
    int socket;
    struct spawn_child children[SPAWN_CHILDREN_MAX];
    size_t count;
};

static void report(const struct helper *helper, const struct spawn_report *what)
{
    ssize_t sent;

    do
        sent = send(helper->socket, what, sizeof(*what), MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
}

static void start(struct helper *helper, const struct spawn_order *order)
{
    struct spawn_report said = {.id = order->id, .kind = SPAWN_FAILED, .error_number = EAGAIN};
    struct spawn_child *child = &helper->children[helper->count];
    struct error err = {.text = "too many programs at once"};
    int reason = EAGAIN;

    if (helper->count < SPAWN_CHILDREN_MAX && spawn_child_start(order, child, &reason, &err) == 0) {
        helper->count++;
        said.kind = SPAWN_STARTED;
        said.uid = child->uid;
    }
    if (said.kind == SPAWN_FAILED) {
        said.error_number = reason;
        (void)snprintf(said.text, sizeof(said.text), "%.*s", SPAWN_TEXT_SIZE - 1, err.text);
    }
    report(helper, &said);
}

static void kill_child(struct helper *helper, uint64_t id)
{
    for (size_t i = 0; i < helper->count; i++)
        if (helper->children[i].id == id)
            spawn_child_kill(&helper->children[i]);
}

static void obey(struct helper *helper, struct text frame, const int *fds, size_t fd_count)
{
    static struct spawn_received received;
    struct error err;

    if (spawn_order_decode(frame, fds, fd_count, &received, &err) < 0) {
        fprintf(stderr, "penstock-spawn: %s\n", err.text);
        return;
    }
    if (received.kills)
        kill_child(helper, received.order.id);
    else
        start(helper, &received.order);
}

/* The descriptors of a message. */
static size_t take_descriptors(struct msghdr *message, int *fds)
{
    size_t count = 0;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(part), count * sizeof(int));
    }
    return count;
}

/* False: the worker is gone. */
static bool receive(struct helper *helper)
{
    static char bytes[SPAWN_FRAME_MAX];
    char control[CMSG_SPACE(SPAWN_FDS_MAX * sizeof(int))];
    struct iovec part = {bytes, sizeof(bytes)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    int fds[SPAWN_FDS_MAX];
    ssize_t got = recvmsg(helper->socket, &message, MSG_CMSG_CLOEXEC);
    size_t count;

    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    if (got == 0)
        return false;
    count = take_descriptors(&message, fds);
    if (!(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        obey(helper, (struct text){bytes, (size_t)got}, fds, count);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    return true;
}

static void end(struct helper *helper, struct spawn_child *child, int status,
                const struct rusage *used)
{
    const struct spawn_report said = {
        .id = child->id,
        .kind = SPAWN_ENDED,
        .status = status,
        .uid = child->uid,
        .cpu_us = (int64_t)(used->ru_utime.tv_sec + used->ru_stime.tv_sec) * 1000000 +
                  used->ru_utime.tv_usec + used->ru_stime.tv_usec,
        .peak_bytes = (int64_t)used->ru_maxrss * 1024,
    };

    spawn_child_finish(child);
    *child = helper->children[--helper->count];
    report(helper, &said);
}

static void reap(struct helper *helper)
{
    struct rusage used;
    int status;
    pid_t pid;

    while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0)
        for (size_t i = 0; i < helper->count; i++)
            if (helper->children[i].pid == pid) {
                end(helper, &helper->children[i], status, &used);
                break;
            }
}

static void kill_all(struct helper *helper)
{
    for (size_t i = 0; i < helper->count; i++)
        spawn_child_kill(&helper->children[i]);
    while (helper->count > 0) {
        struct spawn_child *child = &helper->children[--helper->count];

        waitpid(child->pid, NULL, 0);
        spawn_child_finish(child);
    }
}

/* Where the kernel shares out the processors by sessions first, a priority counts within one alone.
 * So this process and all programs that are to be idle are one session, which gives way to all
 * others. It has no terminal. */
static void begin_session(void)
{
    int group;

    setsid();
    group = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
    if (group < 0)
        return;
    IGNORE(write(group, "19", 2));
    close(group);
}

int spawn_helper_serve(int fd, int parent)
{
    static struct helper helper;
    struct signalfd_siginfo signals[8];
    struct pollfd entries[2] = {{.fd = fd, .events = POLLIN}, {.events = POLLIN}};
    sigset_t watched;
    bool goes_on = true;

    helper.socket = fd;
    begin_session();
    if (close_range((unsigned)fd + 1, ~0U, 0) < 0)
        return 1;
    /* Signals of a terminal and of a service manager are the worker's: it drains, and needs us. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    entries[1].fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    if (entries[1].fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        return 1;
    while (goes_on) {
        if (poll(entries, 2, -1) < 0 && errno != EINTR)
            break;
        if (entries[1].revents) {
            IGNORE(read(entries[1].fd, signals, sizeof(signals)));
            reap(&helper);
        }
        if (entries[0].revents)
            goes_on = receive(&helper);
    }
    kill_all(&helper);
    return 0;
}
