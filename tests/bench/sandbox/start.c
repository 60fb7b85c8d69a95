/* What a sandbox costs: an empty program in one, and the same interpreter bare, by turns.
 * Usage: sandbox_start [TIMES]. Prints medians. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/loop.h"
#include "worker/tools/sandbox/sandbox.h"

#define TIMES_MAX 1000

static int times = 50;

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void print_median(const char *what, int64_t *us)
{
    qsort(us, (size_t)times, sizeof(*us), by_value);
    printf("%-24s median %6.1f ms, least %6.1f ms\n", what, (double)us[times / 2] / 1000,
           (double)us[0] / 1000);
}

static int64_t run_bare(const char *program, const char *option)
{
    static char *const environment[] = {"PATH=/usr/bin:/bin", NULL}; /* as in a sandbox */
    int64_t since_us = clock_us();
    pid_t pid = fork();

    if (pid == 0) {
        execle(program, program, option, "", (char *)NULL, environment);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
    return clock_us() - since_us;
}

static int64_t run_confined(struct sandbox *sandbox, enum sandbox_language language)
{
    const struct sandbox_job job = {
        .language = language, .code = TEXT(" "), .deadline_ms = deadline_in(60000)};
    struct sandbox_outcome outcome;
    struct error err;
    int64_t us;

    sandbox_outcome_init(&outcome);
    if (sandbox_run(sandbox, &job, &outcome, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    us = outcome.elapsed_us;
    sandbox_outcome_deinit(&outcome);
    return us;
}

static void compare(struct sandbox *sandbox, enum sandbox_language language, const char *names[2],
                    const char *program, const char *option)
{
    static int64_t bare[TIMES_MAX];
    static int64_t confined[TIMES_MAX];

    if (!sandbox_speaks(sandbox, language))
        return;
    for (int i = 0; i < times; i++) {
        bare[i] = run_bare(program, option);
        confined[i] = run_confined(sandbox, language);
    }
    print_median(names[0], bare);
    print_median(names[1], confined);
}

static void measure(void *arg)
{
    const struct sandbox_options options = {
        .slots = 1,
        .wall_ms = 60000,
        .cpu_seconds = 30,
        .memory_bytes = 1 << 30,
        .processes = 64,
        .disk_bytes = 64 << 20,
        .output_bytes = 65536,
        .first_uid = 59100,
        .groups = "",
    };
    struct sandbox *sandbox = sandbox_open(&options);
    int64_t since_us = clock_us();

    (void)arg;
    if (sandbox_find_out(sandbox, NULL) < 0 || sandbox_trouble(sandbox)[0]) {
        fprintf(stderr, "no sandbox: %s\n", sandbox_trouble(sandbox));
        exit(1);
    }
    printf("found out in             %.1f ms\n", (double)(clock_us() - since_us) / 1000);
    compare(sandbox, SANDBOX_PYTHON, (const char *[]){"python3", "python3 in a sandbox"},
            "/usr/bin/python3", "-c");
    compare(sandbox, SANDBOX_JAVASCRIPT, (const char *[]){"node", "node in a sandbox"},
            "/usr/bin/node", "-e");
    sandbox_close(sandbox);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        times = atoi(argv[1]);
    if (times < 1 || times > TIMES_MAX)
        return 2;
    loop_run(measure, NULL);
    return 0;
}
