/* Starting a program, in the order in which privileges go: what needs root comes first, what makes
 * it impossible last.
 *
 * A step that fails ends the child before it has run anything: the parent reads which one it was
 * from a pipe that an exec closes. There is no "as far as possible": a program that can't be
 * confined as it was ordered does not start.
 */

#include "shared/process/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/error.h"

#define FDS_ASIDE 100 /* above all numbers that a program sees */

enum step {
    STEP_GROUPS,
    STEP_NICE,
    STEP_DESCRIPTORS,
    STEP_LIMITS,
    STEP_CAPABILITIES,
    STEP_UID,
    STEP_PRIVILEGES,
    STEP_PARENT,
    STEP_EXEC,
};

static const char *const step_names[] = {
    [STEP_GROUPS] = "enter the control group",
    [STEP_NICE] = "lower the priority",
    [STEP_DESCRIPTORS] = "pass the descriptors",
    [STEP_LIMITS] = "set the limits",
    [STEP_CAPABILITIES] = "drop the capabilities",
    [STEP_UID] = "take a uid of its own",
    [STEP_PRIVILEGES] = "give up new privileges",
    [STEP_PARENT] = "be bound to its parent",
    [STEP_EXEC] = "start",
};

struct failed_step {
    int32_t step;
    int32_t error_number;
};

/* A uid is taken by a name that one process of a machine may have at a time (of a network, to be
 * exact: whoever has another has other processes, too), and which the system takes back when it
 * ends. -1: it is taken. */
static int lock_uid(uint32_t uid)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int length = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "penstock-uid-%u", uid);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, (const struct sockaddr *)&name,
                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int take_uid(const struct spawn_order *order, struct spawn_child *child, struct error *err)
{
    child->uid = (uint32_t)geteuid();
    child->uid_lock = -1;
    if (order->uid_count == 0 || child->uid != 0)
        return 0;
    for (uint32_t i = 0; i < order->uid_count && child->uid_lock < 0; i++) {
        child->uid = order->first_uid + i;
        child->uid_lock = lock_uid(child->uid);
    }
    if (child->uid_lock < 0 || child->uid == 0)
        return error_set(err, E_LIMIT, "no uid is free of the %u from %u on", order->uid_count,
                         order->first_uid);
    return 0;
}

static bool place_descriptors(const struct spawn_order *order)
{
    int aside[SPAWN_FDS_MAX];
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (nothing < 0 || close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return false;
    for (size_t i = 0; i < order->fd_count; i++) {
        aside[i] = fcntl(order->fds[i], F_DUPFD_CLOEXEC, FDS_ASIDE);
        if (aside[i] < 0)
            return false;
    }
    for (int fd = 0; fd < 3; fd++)
        if (dup2(nothing, fd) < 0)
            return false;
    for (size_t i = 0; i < order->fd_count; i++)
        if (dup2(aside[i], order->fd_numbers[i]) < 0)
            return false;
    return true;
}

static bool set_limits(const struct spawn_order *order)
{
    for (size_t i = 0; i < order->limit_count; i++) {
        const struct rlimit limit = {.rlim_cur = order->limits[i].value,
                                     .rlim_max = order->limits[i].value};

        if (setrlimit((__rlimit_resource_t)order->limits[i].resource, &limit) < 0)
            return false;
    }
    return true;
}

/* None can be had back by an exec. */
static bool drop_capabilities(void)
{
    for (int capability = 0; capability < 64; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL)
            return false;
    return true;
}

static bool become(uint32_t uid)
{
    return setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 &&
           setresuid(uid, uid, uid) == 0;
}

/* Signals are as a program expects them. Changed credentials forget the parent's death signal, so
 * this comes behind them; and a parent that died before it is no parent any more. */
static bool bind_to_parent(pid_t parent)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    sigemptyset(&none);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return false;
    return getppid() == parent;
}

/* Where memory runs out it is the first to go, and not the worker. */
static void offer_to_die_first(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    IGNORE(write(fd, "1000", 4));
    close(fd);
}

/* Back from idle goes only who may be as nice as he is, which nobody may without a limit for it. */
static bool lower_priority(const struct spawn_order *order)
{
    const struct sched_param none = {.sched_priority = 0};

    if (order->nice != 0 && nice(order->nice) == -1)
        return false;
    return !order->idle || sched_setscheduler(0, SCHED_IDLE, &none) == 0;
}

/* In the child: what failed, or no return. */
static enum step go(const struct spawn_order *order, const struct spawn_child *child, pid_t parent)
{
    static char *const nothing[] = {NULL};
    bool own_uid = child->uid_lock >= 0;

    if (order->idle)
        setpgid(0, 0);
    else
        setsid();
    umask(077);
    offer_to_die_first();
    if (chdir("/") < 0 || !spawn_groups_join(&child->groups))
        return STEP_GROUPS;
    if (!lower_priority(order))
        return STEP_NICE;
    if (!place_descriptors(order))
        return STEP_DESCRIPTORS;
    if (!set_limits(order))
        return STEP_LIMITS;
    if (own_uid && !drop_capabilities())
        return STEP_CAPABILITIES;
    if (own_uid && !become(child->uid))
        return STEP_UID;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return STEP_PRIVILEGES;
    if (!bind_to_parent(parent))
        return STEP_PARENT;
    execve(order->argv[0], (char *const *)(uintptr_t)order->argv,
           order->envp ? (char *const *)(uintptr_t)order->envp : nothing);
    return STEP_EXEC;
}

/* Returns whether the child has begun its program; else what failed. */
static bool hear(int from, struct failed_step *out)
{
    ssize_t got;

    do
        got = read(from, out, sizeof(*out));
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return true;
    if (got != sizeof(*out) || (size_t)out->step >= ARRAY_LENGTH(step_names))
        *out = (struct failed_step){STEP_EXEC, EIO};
    return false;
}

static int fork_it(const struct spawn_order *order, struct spawn_child *child,
                   struct failed_step *failed)
{
    pid_t parent = getpid();
    int pipe_fds[2];
    bool began;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -1;
    child->pid = fork();
    if (child->pid == 0) {
        struct failed_step what = {.step = (int32_t)STEP_DESCRIPTORS, .error_number = errno};
        int to = fcntl(pipe_fds[1], F_DUPFD_CLOEXEC, FDS_ASIDE);

        if (to >= 0) {
            what.step = (int32_t)go(order, child, parent);
            what.error_number = errno;
            IGNORE(write(to, &what, sizeof(what)));
        }
        _exit(127);
    }
    close(pipe_fds[1]);
    began = child->pid > 0 && hear(pipe_fds[0], failed);
    close(pipe_fds[0]);
    if (began)
        return 0;
    if (child->pid > 0)
        waitpid(child->pid, NULL, 0);
    return child->pid < 0 ? -1 : 1;
}

int spawn_child_start(const struct spawn_order *order, struct spawn_child *out,
                      int *out_error_number, struct error *err)
{
    struct spawn_child child = {.id = order->id, .uid_lock = -1};
    struct failed_step failed = {.step = STEP_EXEC, .error_number = EAGAIN};
    int r = take_uid(order, &child, err);

    if (r == 0)
        r = spawn_groups_make(order, &child.groups, err);
    if (r == 0) {
        r = fork_it(order, &child, &failed);
        if (r != 0)
            r = error_set(err, E_SYSTEM, "%s can't %s", order->argv[0],
                          r < 0 ? "be forked" : step_names[failed.step]);
    }
    if (r == 0) {
        *out = child;
        return 0;
    }
    *out_error_number = failed.error_number;
    spawn_child_finish(&child);
    return r;
}

/* Everything that runs as its uid, but for whoever sends the signal. */
static void kill_uid(uint32_t uid)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (become(uid))
            kill(-1, SIGKILL);
        _exit(0);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

void spawn_child_kill(const struct spawn_child *child)
{
    spawn_groups_kill(&child->groups);
    kill(-child->pid, SIGKILL);
    kill(child->pid, SIGKILL);
}

void spawn_child_finish(struct spawn_child *child)
{
    if (child->uid_lock >= 0) {
        kill_uid(child->uid);
        close(child->uid_lock);
        child->uid_lock = -1;
    }
    spawn_groups_remove(&child->groups);
}
