/* Child processes of `penstock dev`: started so that none outlives us, watched, started again,
 * stopped.
 *
 * The signals that we wait for (SIGCHLD, SIGINT, SIGTERM, SIGHUP) are blocked all the time and
 * taken by sigtimedwait, so nothing runs in a handler. Children have them unblocked again.
 *
 * SIGHUP has two meanings: the terminal is gone, which ends us as it ends every program there; or
 * somebody wants the configuration to be read again, which is passed on to those that have read it.
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scheduler/cli/dev/dev.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

#define LOG_BYTES_MAX ((off_t)16 << 20)
#define STEADY_MS     30000
#define RUN_MS        600000

#define RELOAD_LOOK_MS 50

static bool had_terminal; /* when we began */

static const struct backoff_policy restart_policy = {.base_ms = 500, .cap_ms = 30000};

static sigset_t waited_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    return set;
}

/* Whether this process has a terminal: one that was closed has none any more. */
static bool has_terminal(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

void dev_signals_block(void)
{
    sigset_t set = waited_signals();

    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    had_terminal = has_terminal();
}

/* Waits for a signal. Returns its number, 0 when the time is over; SIGHUP when it does not tell of
 * a terminal that was closed, which is SIGTERM. */
static int wait_signal(int64_t wait_ms)
{
    sigset_t set = waited_signals();
    const struct timespec timeout = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    int number = sigtimedwait(&set, NULL, &timeout);

    if (number == SIGHUP && had_terminal && !has_terminal())
        return SIGTERM;
    return number < 0 ? 0 : number;
}

static bool is_end(int number)
{
    return number == SIGINT || number == SIGTERM;
}

/* Opens logs/NAME.log for appending; one that is larger than 16 MiB, or any with `rotate`, is first
 * kept as NAME.log.1. */
static int open_log(const struct dev_place *place, const char *name, bool rotate, int *out_fd,
                    struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("%s/logs/%s.log", place->data, name);
    CLEANUP(freep) char *old = xasprintf("%s.1", path);
    struct stat info;

    if (stat(path, &info) == 0 && info.st_size > (rotate ? 0 : LOG_BYTES_MAX))
        (void)rename(path, old);
    *out_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    return *out_fd < 0 ? error_set_errno(err, errno, "open %s", path) : 0;
}

struct streams {
    int in_fd;
    int out_fd;
    int err_fd;
};

static bool become(const struct dev_place *place)
{
    return setgroups(0, NULL) == 0 && setgid(place->gid) == 0 && setuid(place->uid) == 0;
}

/* What a child needs to become its program. */
struct birth {
    const struct dev_place *place;
    const struct dev_command *command;
    const struct streams *streams;
    char **environment;
    pid_t parent;
};

/* In the child. A change of user clears the death signal, so it comes last; should our parent have
 * died before, we would not notice, so we look. */
NORETURN static void exec_child(const struct birth *birth)
{
    const struct dev_place *place = birth->place;
    const struct dev_command *command = birth->command;
    const struct streams *streams = birth->streams;
    sigset_t none;

    (void)setpgid(0, 0); /* Ctrl-C is for us alone: we stop them in order */
    if (dup2(streams->in_fd, STDIN_FILENO) < 0 || dup2(streams->out_fd, STDOUT_FILENO) < 0 ||
        dup2(streams->err_fd, STDERR_FILENO) < 0)
        _exit(126);
    if (command->as_server_user && place->as_user && !become(place))
        _exit(126);
    if (chdir(command->as_server_user ? place->servers : place->data) < 0)
        _exit(126);
    (void)prctl(PR_SET_PDEATHSIG, command->death_signal ? command->death_signal : SIGKILL);
    if (getppid() != birth->parent)
        _exit(126);
    (void)sigemptyset(&none);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)execve(command->argv[0], (char *const *)command->argv, birth->environment);
    (void)dprintf(STDERR_FILENO, "can't execute %s: %s\n", command->argv[0], strerror(errno));
    _exit(127);
}

/* Starts it in a process group of its own, with these streams. */
static int spawn(const struct dev_place *place, const struct dev_command *command,
                 const struct streams *streams, pid_t *out_pid, struct error *err)
{
    char **environment = dev_environment_new(command->needs);
    const struct birth birth = {place, command, streams, environment, getpid()};
    pid_t pid = fork();
    int r = 0;

    if (pid == 0)
        exec_child(&birth);
    if (pid < 0)
        r = error_set_errno(err, errno, "start %s", command->name);
    free(environment);
    *out_pid = pid;
    return r;
}

/* The last line of a log, for a message. */
static void last_line(const struct dev_place *place, const char *name, char *out, size_t size)
{
    CLEANUP(freep) char *path = xasprintf("%s/logs/%s.log", place->data, name);
    char tail[512];
    struct text text;
    const char *line;
    FILE *stream = fopen(path, "re");
    size_t len;

    *out = '\0';
    if (!stream)
        return;
    if (fseek(stream, -(long)sizeof(tail), SEEK_END) < 0)
        rewind(stream);
    len = fread(tail, 1, sizeof(tail), stream);
    (void)fclose(stream);
    text = text_trim((struct text){tail, len});
    line = text.len ? memrchr(text.ptr, '\n', text.len) : NULL;
    if (line)
        text = (struct text){line + 1, (size_t)(text.ptr + text.len - line) - 1};
    text_excerpt(text, out, size);
}

int dev_child_failed(const struct dev_children *children, const struct dev_child *child,
                     struct error *err)
{
    char line[128];

    last_line(children->place, child->command.name, line, sizeof(line));
    return error_set(err, E_REJECTED, "%s does not start: %s; see %s/logs/%s.log",
                     child->command.name, line, children->place->shown, child->command.name);
}

static int explain(const struct dev_place *place, const char *name, int status, struct error *err)
{
    char line[128];

    last_line(place, name, line, sizeof(line));
    if (WIFEXITED(status))
        return error_set(err, E_REJECTED, "%s failed (%d): %s; see %s/logs/%s.log", name,
                         WEXITSTATUS(status), line, place->shown, name);
    return error_set(err, E_REJECTED, "%s was ended by signal %d; see %s/logs/%s.log", name,
                     WTERMSIG(status), place->shown, name);
}

/* Waits for one child while others may end too: those are left for dev_children_watch. */
static int wait_for(const struct dev_place *place, const struct dev_command *command, pid_t pid,
                    struct error *err)
{
    int64_t give_up_ms = deadline_in(RUN_MS);
    int status;

    for (;;) {
        pid_t ended = waitpid(pid, &status, WNOHANG);
        int number;

        if (ended == pid)
            return WIFEXITED(status) && WEXITSTATUS(status) == 0
                       ? 0
                       : explain(place, command->name, status, err);
        number = wait_signal(100);
        if (is_end(number) || clock_ms() > give_up_ms) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            if (is_end(number))
                return DEV_INTERRUPTED;
            return error_set(err, E_TIMEOUT, "%s did not end in time", command->name);
        }
    }
}

static int read_fd(int fd, struct buf *out, struct error *err)
{
    char chunk[4096];
    ssize_t len;

    while ((len = read(fd, chunk, sizeof(chunk))) != 0) {
        if (len < 0 && errno != EINTR)
            return error_set_errno(err, errno, "read what a program wrote");
        if (len > 0)
            buf_add(out, chunk, (size_t)len);
    }
    return buf_check(out, err);
}

/* Small texts only: both fit into a temporary file without anyone waiting. */
static int temporary_fd(struct text text, struct error *err)
{
    FILE *stream = tmpfile();
    int fd = stream ? fcntl(fileno(stream), F_DUPFD_CLOEXEC, 3) : -1;

    if (fd >= 0 && text.len > 0 && write(fd, text.ptr, text.len) != (ssize_t)text.len) {
        (void)close(fd);
        fd = -1;
    }
    if (stream)
        (void)fclose(stream);
    if (fd < 0)
        return error_set_errno(err, errno, "make a temporary file");
    (void)lseek(fd, 0, SEEK_SET);
    return fd;
}

int dev_run(const struct dev_place *place, const struct dev_command *command, struct text input,
            struct buf *out, struct error *err)
{
    struct streams streams = {-1, -1, -1};
    pid_t pid;
    int r = open_log(place, command->name, false, &streams.err_fd, err);

    if (r < 0)
        return r;
    streams.in_fd = temporary_fd(input, err);
    streams.out_fd = out ? temporary_fd(TEXT_NONE, err) : dup(streams.err_fd);
    if (streams.in_fd < 0 || streams.out_fd < 0)
        r = -E_SYSTEM;
    if (r == 0)
        r = spawn(place, command, &streams, &pid, err);
    if (r == 0)
        r = wait_for(place, command, pid, err);
    if (r == 0 && out) {
        (void)lseek(streams.out_fd, 0, SEEK_SET);
        r = read_fd(streams.out_fd, out, err);
    }
    if (streams.in_fd >= 0)
        (void)close(streams.in_fd);
    if (streams.out_fd >= 0)
        (void)close(streams.out_fd);
    (void)close(streams.err_fd);
    return r;
}

static int start(struct dev_children *children, struct dev_child *child, bool rotate,
                 struct error *err)
{
    struct streams streams;
    int r = open_log(children->place, child->command.name, rotate, &streams.out_fd, err);

    if (r < 0)
        return r;
    streams.err_fd = streams.out_fd;
    streams.in_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    r = spawn(children->place, &child->command, &streams, &child->pid, err);
    (void)close(streams.out_fd);
    (void)close(streams.in_fd);
    child->started_ms = clock_ms();
    child->restart_at_ms = 0;
    return r;
}

int dev_child_start(struct dev_children *children, const struct dev_command *command,
                    int stop_signal, struct error *err)
{
    struct dev_child *child = &children->items[children->count];
    int r;

    ASSERT(children->count < ARRAY_LENGTH(children->items));
    *child = (struct dev_child){
        .command = *command, .stop_signal = stop_signal, .restarts = {.policy = restart_policy}};
    r = start(children, child, true, err);
    if (r < 0)
        return r;
    children->count++;
    return 0;
}

static void took_end(struct dev_children *children, struct dev_child *child, int status)
{
    int64_t wait_ms;

    if (clock_ms() - child->started_ms > STEADY_MS)
        backoff_reset(&child->restarts);
    wait_ms = backoff_next_ms(&child->restarts);
    child->pid = 0;
    child->restart_at_ms = deadline_in(wait_ms);
    if (!children->verbose)
        return;
    (void)fprintf(stderr, "penstock dev: %s ended (%s %d); again in %.1f s; see %s/logs/%s.log\n",
                  child->command.name, WIFEXITED(status) ? "exit code" : "signal",
                  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                  (double)wait_ms / 1000, children->place->shown, child->command.name);
}

static void reap(struct dev_children *children)
{
    for (size_t i = 0; i < children->count; i++) {
        struct dev_child *child = &children->items[i];
        int status;

        if (child->pid != 0 && waitpid(child->pid, &status, WNOHANG) == child->pid)
            took_end(children, child, status);
    }
}

static int64_t restart_due(struct dev_children *children)
{
    int64_t next_ms = DEADLINE_NONE;

    for (size_t i = 0; i < children->count; i++) {
        struct dev_child *child = &children->items[i];
        struct error err;

        if (child->restart_at_ms == 0)
            continue;
        if (child->restart_at_ms > clock_ms()) {
            next_ms = deadline_min(next_ms, child->restart_at_ms);
        } else if (start(children, child, false, &err) < 0) {
            (void)fprintf(stderr, "penstock dev: %s\n", err.text);
            child->restart_at_ms = deadline_in(restart_policy.cap_ms);
        }
    }
    return next_ms;
}

/* Those that read the configuration do so again. */
static void read_again(struct dev_children *children)
{
    for (size_t i = 0; i < children->count; i++) {
        struct dev_child *child = &children->items[i];

        if (child->pid == 0 || child->command.needs != DEV_NEEDS_SETTINGS)
            continue;
        dev_reload_note(children->place, child);
        (void)kill(child->pid, SIGHUP);
    }
}

int dev_children_watch(struct dev_children *children, int64_t wait_ms)
{
    int64_t next_ms;
    int number;

    reap(children);
    next_ms = restart_due(children);
    if (dev_reload_tell(children) && wait_ms > RELOAD_LOOK_MS)
        wait_ms = RELOAD_LOOK_MS;
    if (next_ms != DEADLINE_NONE && next_ms - clock_ms() < wait_ms)
        wait_ms = next_ms > clock_ms() ? next_ms - clock_ms() : 0;
    number = wait_signal(wait_ms);
    reap(children);
    if (number == SIGHUP)
        read_again(children);
    return is_end(number) ? DEV_INTERRUPTED : 0;
}

static bool any_alive(struct dev_children *children, size_t first)
{
    bool alive = false;

    for (size_t i = first; i < children->count; i++) {
        struct dev_child *child = &children->items[i];

        if (child->pid != 0 && waitpid(child->pid, NULL, WNOHANG) == child->pid)
            child->pid = 0;
        alive = alive || child->pid != 0;
    }
    return alive;
}

void dev_children_stop(struct dev_children *children, size_t first, int64_t wait_ms)
{
    int64_t give_up_ms = deadline_in(wait_ms);

    for (size_t i = first; i < children->count; i++) {
        children->items[i].restart_at_ms = 0;
        if (children->items[i].pid != 0)
            (void)kill(children->items[i].pid, children->items[i].stop_signal);
    }
    while (any_alive(children, first) && clock_ms() < give_up_ms) {
        if (is_end(wait_signal(100)))
            give_up_ms = 0;
    }
    for (size_t i = first; i < children->count; i++)
        if (children->items[i].pid != 0) {
            (void)kill(children->items[i].pid, SIGKILL);
            (void)waitpid(children->items[i].pid, NULL, 0);
            children->items[i].pid = 0;
        }
    children->count = first;
}
