/* Programs that are started by way of the helper process: the real helper, real programs. */

#include <criterion/criterion.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/io/io.h"
#include "shared/process/spawner.h"

#define PATIENCE_MS 30000
#define FIRST_UID   59300

static struct spawner *spawner;

/* A shell that runs a script, and what it says. */
struct shell {
    struct spawn_order order;
    struct spawned *spawned;
    int out;
    char said[4096];
    struct spawn_report report;
};

static const char *shell_argv[] = {"/bin/sh", "-c", "", NULL};
static const char *const shell_envp[] = {"PATH=/usr/bin:/bin", NULL};

static struct shell shell_of(const char *script)
{
    shell_argv[2] = script;
    return (struct shell){.order = {.argv = shell_argv, .envp = shell_envp}, .out = -1};
}

static int begin(struct shell *shell, struct error *err)
{
    int fds[2];
    int r;

    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    cr_assert_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    shell->order.fds[0] = fds[1];
    shell->order.fd_numbers[0] = 1;
    shell->order.fd_count = 1;
    r = spawn_start(spawner, &shell->order, deadline_in(PATIENCE_MS), &shell->spawned, err);
    close(fds[1]);
    shell->out = fds[0];
    return r;
}

static void hear(struct shell *shell)
{
    size_t len = 0;
    size_t got;

    while (io_read(shell->out, shell->said + len, sizeof(shell->said) - 1 - len,
                   deadline_in(PATIENCE_MS), &got, NULL) == 0)
        len += got;
    shell->said[len] = 0;
    io_close(&shell->out);
}

static void end(struct shell *shell)
{
    struct error err = {0};

    cr_assert_eq(spawn_wait(shell->spawned, deadline_in(PATIENCE_MS), &shell->report, &err), 0,
                 "%s", err.text);
    spawn_close(shell->spawned);
}

static void run(struct shell *shell)
{
    struct error err = {0};

    cr_assert_eq(begin(shell, &err), 0, "%s", err.text);
    hear(shell);
    end(shell);
}

static void on_loop(void *arg)
{
    struct error err = {0};
    void (*body)(void) = *(void (**)(void))arg;

    cr_assert_eq(spawner_open(NULL, &spawner, &err), 0, "%s", err.text);
    body();
    spawner_close(spawner);
}

static void with_spawner(void (*body)(void))
{
    loop_run(on_loop, &body);
}

static void tell_status(void)
{
    struct shell shell = shell_of("echo hello; exit 7");

    run(&shell);
    cr_assert_str_eq(shell.said, "hello\n");
    cr_assert_eq(WEXITSTATUS(shell.report.status), 7);
    cr_assert_geq(shell.report.cpu_us, 0);
    cr_assert_gt(shell.report.peak_bytes, 0);
}

Test(spawner, a_program_runs_and_its_end_is_told)
{
    with_spawner(tell_status);
}

static void find_none(void)
{
    static const char *const argv[] = {"/no/such/program", NULL};
    struct spawn_order order = {.argv = argv};
    struct spawned *spawned;
    struct error err = {0};

    cr_assert_eq(spawn_start(spawner, &order, deadline_in(PATIENCE_MS), &spawned, &err), -E_SYSTEM);
    cr_assert_str_eq(err.text, "/no/such/program can't start: No such file or directory");
}

Test(spawner, a_program_that_is_not_there_is_told_in_words)
{
    with_spawner(find_none);
}

static void list_descriptors(void)
{
    int open_here = open("/etc/passwd", O_RDONLY); /* not to be closed by an exec */
    struct shell shell = shell_of("n=0; while [ $n -lt 300 ]; do "
                                  "[ -e /proc/self/fd/$n ] && echo -n \"$n \"; n=$((n+1)); done");

    cr_assert_geq(open_here, 0);
    run(&shell);
    cr_assert_str_eq(shell.said, "0 1 2 ");
    close(open_here);
}

Test(spawner, a_program_has_no_descriptors_but_those_that_it_was_given)
{
    with_spawner(list_descriptors);
}

static void print_privileges(void)
{
    struct shell shell = shell_of("grep -E 'NoNewPrivs|CapBnd|CapEff|Groups' /proc/self/status | "
                                  "tr -d '\\t\\n '; id -u; cat /proc/self/environ | tr '\\0' ' '");
    char uid[24];

    shell.order.first_uid = FIRST_UID;
    shell.order.uid_count = 50;
    run(&shell);
    cr_assert(shell.report.uid >= FIRST_UID && shell.report.uid < FIRST_UID + 50);
    (void)snprintf(uid, sizeof(uid), "NoNewPrivs:1%u\n", shell.report.uid);
    cr_assert(strstr(shell.said, "Groups:CapEff:0000000000000000CapBnd:0000000000000000"), "%s",
              shell.said);
    cr_assert(strstr(shell.said, uid), "%s", shell.said);
    cr_assert(strstr(shell.said, "PATH=/usr/bin:/bin"), "%s", shell.said);
}

Test(spawner, a_helper_of_root_gives_a_program_a_uid_and_no_privileges)
{
    if (geteuid() != 0)
        cr_skip("it needs root");
    with_spawner(print_privileges);
}

static void differ(void)
{
    struct shell first = shell_of("sleep 1000");
    struct shell second;
    struct error err = {0};

    first.order.first_uid = FIRST_UID;
    first.order.uid_count = 50;
    cr_assert_eq(begin(&first, &err), 0, "%s", err.text);
    second = shell_of("id -u");
    second.order.first_uid = FIRST_UID;
    second.order.uid_count = 50;
    run(&second);
    spawn_kill(first.spawned);
    hear(&first);
    end(&first);
    cr_assert(WIFSIGNALED(first.report.status));
    cr_assert_neq(first.report.uid, second.report.uid);
}

Test(spawner, two_programs_at_once_have_two_uids)
{
    if (geteuid() != 0)
        cr_skip("it needs root");
    with_spawner(differ);
}

static bool is_alive(pid_t pid)
{
    return kill(pid, 0) == 0;
}

static void leave_a_daemon(void)
{
    struct shell shell = shell_of("setsid sleep 1000 >/dev/null 2>&1 & echo $!");
    int64_t deadline_ms = deadline_in(PATIENCE_MS);
    pid_t daemon;

    shell.order.first_uid = FIRST_UID;
    shell.order.uid_count = 50;
    run(&shell);
    daemon = atoi(shell.said);
    cr_assert_gt(daemon, 1);
    while (is_alive(daemon) && clock_ms() < deadline_ms) /* until it is reaped */
        cr_assert_eq(fiber_sleep(5, NULL), 0);
    cr_assert(!is_alive(daemon));
}

Test(spawner, a_daemon_that_a_program_leaves_is_killed_with_its_uid)
{
    if (geteuid() != 0)
        cr_skip("it needs root");
    with_spawner(leave_a_daemon);
}

static void hold_limits(void)
{
    struct shell shell = shell_of("ulimit -Hn; ulimit -Hc; ulimit -Hf; nice");

    shell.order.limits[0] = (struct spawn_limit){RLIMIT_NOFILE, 33};
    shell.order.limits[1] = (struct spawn_limit){RLIMIT_CORE, 0};
    shell.order.limits[2] = (struct spawn_limit){RLIMIT_FSIZE, 1 << 20};
    shell.order.limit_count = 3;
    shell.order.nice = 5;
    run(&shell);
    cr_assert_eq(strncmp(shell.said, "33\n0\n2048\n", 10), 0, "%s", shell.said);
}

Test(spawner, limits_are_set_before_the_program_begins)
{
    with_spawner(hold_limits);
}

/* The helper: the one child of ours. */
static pid_t helper_pid(void)
{
    char path[64];
    FILE *in;
    int pid = 0;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    in = fopen(path, "r");
    cr_assert_not_null(in);
    cr_assert_eq(fscanf(in, "%d", &pid), 1);
    (void)fclose(in);
    return pid;
}

static void kill_helper(void)
{
    struct shell shell = shell_of("echo $$; exec sleep 1000");
    struct shell again;
    struct error err = {0};
    int64_t deadline_ms = deadline_in(PATIENCE_MS);
    int r;

    cr_assert_eq(begin(&shell, &err), 0, "%s", err.text);
    cr_assert_eq(kill(helper_pid(), SIGKILL), 0);
    r = spawn_wait(shell.spawned, deadline_in(PATIENCE_MS), &shell.report, &err);
    cr_assert_eq(r, -E_UNAVAILABLE, "%d", r);
    hear(&shell); /* to the end: nobody has its output open any more */
    spawn_close(shell.spawned);
    do {
        again = shell_of("echo again");
        r = begin(&again, &err);
        if (r < 0)
            io_close(&again.out);
    } while (r == -E_UNAVAILABLE && clock_ms() < deadline_ms && fiber_sleep(5, NULL) == 0);
    cr_assert_eq(r, 0, "%s", err.text);
    hear(&again);
    end(&again);
    cr_assert_str_eq(again.said, "again\n");
    cr_assert_eq(spawner_restarts(spawner), 1);
}

Test(spawner, a_helper_that_dies_takes_its_programs_along_and_another_is_started)
{
    with_spawner(kill_helper);
}

static void cancel_one(void *arg)
{
    struct shell *shell = arg;
    struct error err;

    cr_assert_eq(spawn_wait(shell->spawned, DEADLINE_NONE, &shell->report, &err), -E_CANCELED);
    spawn_close(shell->spawned);
}

static void cancel(void)
{
    struct shell shell = shell_of("sleep 1000");
    struct error err = {0};
    struct fiber *fiber;

    cr_assert_eq(begin(&shell, &err), 0, "%s", err.text);
    fiber = fiber_start("cancelled", cancel_one, &shell);
    fiber_yield();
    fiber_cancel(fiber);
    fiber_join(fiber);
    hear(&shell); /* ends, since it was killed */
}

Test(spawner, who_is_cancelled_leaves_no_program_behind)
{
    with_spawner(cancel);
}

#define PIDS "/sys/fs/cgroup/pids"

static void fork_in_a_group(void)
{
    struct shell shell = shell_of("for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done 2>&1; echo no");
    char group[128];

    (void)snprintf(group, sizeof(group), PIDS "/penstock-test-%d", (int)getpid());
    if (mkdir(group, 0755) < 0)
        return;
    shell.order.groups[0] = group;
    shell.order.group_count = 1;
    shell.order.group_processes = 4;
    run(&shell);
    cr_assert(!strstr(shell.said, "no\n"), "%s", shell.said);
    cr_assert_eq(rmdir(group), 0, "what was in it is gone");
}

Test(spawner, a_control_group_bounds_processes_and_is_gone_behind_its_program)
{
    if (access(PIDS "/cgroup.procs", W_OK) < 0)
        cr_skip("there is no such hierarchy");
    with_spawner(fork_in_a_group);
}
