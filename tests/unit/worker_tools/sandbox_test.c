/* Sandboxes: real ones, where this machine can have them (bubblewrap, user namespaces). */

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "worker/tools/sandbox/sandbox.h"

#define PATIENCE_MS 60000

static struct sandbox_options options;
static struct sandbox *sandbox;

static void set_options(void)
{
    options = (struct sandbox_options){
        .slots = 2,
        .wall_ms = 120000, /* a busy machine is slow, and no test waits for it */
        .cpu_seconds = 30,
        .memory_bytes = 1 << 30,
        .processes = 64,
        .disk_bytes = 32 << 20,
        .output_bytes = 65536,
        .first_uid = 59400,
        .groups = "",
    };
}

static void on_loop(void *arg)
{
    void (*body)(void) = *(void (**)(void))arg;

    sandbox = sandbox_open(&options);
    cr_assert_null(sandbox_trouble(sandbox));
    cr_assert_eq(sandbox_find_out(sandbox, NULL), 0);
    body();
    sandbox_close(sandbox);
}

static void with_sandbox(void (*body)(void))
{
    loop_run(on_loop, &body);
}

/* What a program came to. */
struct ran {
    struct sandbox_outcome outcome;
    struct buf out;
    struct buf error;
    int r;
    struct error err;
};

static void run_files(struct ran *ran, enum sandbox_language language, const char *code,
                      struct text files)
{
    const struct sandbox_job job = {
        .language = language,
        .code = text_of(code),
        .files = files,
        .deadline_ms = deadline_in(PATIENCE_MS),
    };

    memset(ran, 0, sizeof(*ran));
    sandbox_outcome_init(&ran->outcome);
    buf_init(&ran->out, 0);
    buf_init(&ran->error, 0);
    ran->r = sandbox_run(sandbox, &job, &ran->outcome, &ran->err);
    capture_write(&ran->outcome.out, &ran->out);
    capture_write(&ran->outcome.error, &ran->error);
}

static void run(struct ran *ran, const char *code)
{
    run_files(ran, SANDBOX_PYTHON, code, TEXT_NONE);
    cr_assert_eq(ran->r, 0, "%s", ran->err.text);
}

static void forget(struct ran *ran)
{
    sandbox_outcome_deinit(&ran->outcome);
    buf_deinit(&ran->out);
    buf_deinit(&ran->error);
}

static bool can_have_one;

static void note_capability(void)
{
    const char *trouble = sandbox_trouble(sandbox);

    can_have_one = trouble && !trouble[0];
    if (!can_have_one)
        cr_log_warn("no sandbox here: %s", trouble);
}

/* Where there is no sandbox, what is asked of one can't be tried. */
static void begin(void)
{
    set_options();
    with_sandbox(note_capability);
    if (!can_have_one)
        cr_skip("no sandbox can be had here");
}

TestSuite(sandbox, .init = begin, .timeout = 600);

static void add(void)
{
    struct ran ran;

    run(&ran, "import sys\nprint(2 + 2)\nprint('oh', file=sys.stderr)\nsys.exit(3)\n");
    cr_assert_str_eq(buf_string(&ran.out), "4\n");
    cr_assert_str_eq(buf_string(&ran.error), "oh\n");
    cr_assert_eq(ran.outcome.end.ending, ENDED_BY_ITSELF);
    cr_assert_eq(ran.outcome.end.value, 3);
    cr_assert_gt(ran.outcome.end.cpu_us, 0);
    forget(&ran);
}

Test(sandbox, a_program_runs_and_its_outputs_and_its_status_are_told)
{
    with_sandbox(add);
}

static void speak_node(void)
{
    struct ran ran;

    run_files(&ran, SANDBOX_JAVASCRIPT, "console.log([1, 2].map(x => x * 2).join())", TEXT_NONE);
    if (sandbox_speaks(sandbox, SANDBOX_JAVASCRIPT)) {
        cr_assert_eq(ran.r, 0, "%s", ran.err.text);
        cr_assert_str_eq(buf_string(&ran.out), "2,4\n", "%s", buf_string(&ran.error));
    } else {
        cr_assert_eq(ran.r, -E_UNAVAILABLE);
        cr_assert_str_eq(ran.err.text, "javascript can't be run here, only python");
    }
    forget(&ran);
}

Test(sandbox, javascript_runs_where_node_does)
{
    with_sandbox(speak_node);
}

static void carry_files(void)
{
    CLEANUP(buf_deinit) struct buf in;
    struct archive_entry entry = {ARCHIVE_FILE, false, TEXT("in/a b.txt"), TEXT("hello")};
    struct text rest;
    struct ran ran;
    int seen = 0;

    buf_init(&in, 0);
    archive_add(&in, &entry);
    entry = (struct archive_entry){ARCHIVE_FILE, true, TEXT("work/deep/er/x"), TEXT("42")};
    archive_add(&in, &entry);
    run_files(&ran, SANDBOX_PYTHON,
              "import os\n"
              "assert open('/job/in/a b.txt').read() == 'hello'\n"
              "assert open('deep/er/x').read() == '42' and os.access('deep/er/x', os.X_OK)\n"
              "open('deep/er/y', 'w').write('43')\n"
              "open('/job/out/r.txt', 'w').write('result')\n"
              "os.symlink('/etc/passwd', '/job/out/passwd')\n"
              "os.mkfifo('/job/out/pipe')\n"
              "os.symlink('/', '/job/work/root')\n",
              buf_text(&in));
    cr_assert_eq(ran.r, 0, "%s", ran.err.text);
    cr_assert_eq(ran.outcome.end.value, 0, "%s", buf_string(&ran.error));
    rest = buf_text(&ran.outcome.archive);
    while (archive_next(&rest, &entry, NULL) == 0) {
        if (text_is(entry.path, "work/deep/er/y"))
            seen += entry.kind == ARCHIVE_FILE && text_is(entry.bytes, "43");
        if (text_is(entry.path, "work/deep/er/x"))
            seen += entry.executable;
        if (text_is(entry.path, "out/r.txt"))
            seen += entry.kind == ARCHIVE_FILE && text_is(entry.bytes, "result");
        if (text_is(entry.path, "out/passwd") || text_is(entry.path, "work/root"))
            seen += entry.kind == ARCHIVE_SKIPPED && text_is(entry.bytes, "it is a link");
        if (text_is(entry.path, "out/pipe"))
            seen += entry.kind == ARCHIVE_SKIPPED && text_is(entry.bytes, "it is no regular file");
        cr_assert(!text_starts(entry.path, "in/"), "what goes in does not come out");
    }
    cr_assert_eq(seen, 6);
    forget(&ran);
}

Test(sandbox, files_go_in_and_come_out_but_for_links_and_pipes)
{
    with_sandbox(carry_files);
}

static void loop_for_ever(void)
{
    struct ran ran;

    run(&ran, "print('begun')\nopen('/job/out/kept', 'w').write('x')\nwhile True: pass\n");
    cr_assert_eq(ran.outcome.end.ending, ENDED_BY_TIME);
    cr_assert_str_eq(buf_string(&ran.out), "begun\n");
    cr_assert(memmem(ran.outcome.archive.ptr, ran.outcome.archive.len, "out/kept", 8));
    forget(&ran);
}

Test(sandbox, a_program_without_an_end_is_ended_and_its_files_are_kept)
{
    options.wall_ms = 3000;
    with_sandbox(loop_for_ever);
}

static void print_much(void)
{
    struct ran ran;

    run(&ran, "print('first')\nprint('x' * 1000000)\nprint('last')\n");
    cr_assert_lt(ran.out.len, 70000);
    cr_assert(text_starts(buf_text(&ran.out), "first\n"));
    cr_assert(text_ends(buf_text(&ran.out), "last\n"));
    cr_assert(strstr(buf_string(&ran.out), "bytes are left out"));
    forget(&ran);
    run(&ran, "while True: print('x' * 100000)\n");
    cr_assert(ran.outcome.flooded);
    cr_assert(ran.outcome.lost);
    forget(&ran);
}

Test(sandbox, of_much_output_both_ends_are_kept_and_a_flood_ends_the_program)
{
    with_sandbox(print_much);
}

static void kill_everybody(void)
{
    struct ran ran;

    run(&ran, "import os, signal\n"
              "for p in [-1, os.getppid(), -os.getppid(), 1]:\n"
              " for s in (signal.SIGKILL, signal.SIGSTOP):\n"
              "  try: os.kill(p, s)\n  except OSError: pass\n"
              "open('/job/out/kept', 'w').write('x')\n"
              "print('here')\n");
    cr_assert(!ran.outcome.lost);
    cr_assert_str_eq(buf_string(&ran.out), "here\n");
    cr_assert(memmem(ran.outcome.archive.ptr, ran.outcome.archive.len, "out/kept", 8));
    forget(&ran);
}

Test(sandbox, a_program_can_stop_neither_its_parent_nor_everybody)
{
    with_sandbox(kill_everybody);
}

static void take_much(void)
{
    struct ran ran;

    run(&ran, "import os, time\nfor i in range(20):\n if os.fork() == 0:\n"
              "  x = bytearray(b'x' * (60 << 20))\n  time.sleep(1000)\ntime.sleep(1000)\n");
    cr_assert_eq(ran.outcome.end.ending, ENDED_BY_EXCESS);
    cr_assert_str_eq(ran.outcome.end.text, "it took more memory than it may");
    forget(&ran);
    run(&ran, "import os\nfor i in range(10000000): open('/tmp/%d' % i, 'w').close()\n");
    cr_assert_eq(ran.outcome.end.ending, ENDED_BY_EXCESS);
    cr_assert_str_eq(ran.outcome.end.text, "it made more files than it may");
    forget(&ran);
}

Test(sandbox, the_memory_of_all_processes_and_the_number_of_files_are_bounded)
{
    options.memory_bytes = 512 << 20;
    with_sandbox(take_much);
}

static void cancelled_run(void *arg)
{
    struct ran *ran = arg;

    run_files(ran, SANDBOX_PYTHON, "import time\ntime.sleep(1000)", TEXT_NONE);
    cr_assert_eq(ran->r, -E_CANCELED);
    forget(ran);
}

static void cancel(void)
{
    struct sandbox_stats stats;
    struct ran ran;
    struct fiber *fiber = fiber_start("cancelled", cancelled_run, &ran);

    do {
        fiber_yield();
        sandbox_stats_get(sandbox, &stats);
    } while (stats.busy == 0);
    fiber_cancel(fiber);
    fiber_join(fiber);
    sandbox_stats_get(sandbox, &stats);
    cr_assert_eq(stats.busy, 0);
}

Test(sandbox, who_is_cancelled_leaves_nothing_behind)
{
    with_sandbox(cancel);
}

static void crowd_body(void *arg)
{
    run_files(arg, SANDBOX_PYTHON, "print('here')", TEXT_NONE);
}

static void crowd(void)
{
    static struct ran ran[6];
    struct fiber *fibers[ARRAY_LENGTH(ran)];
    struct sandbox_stats stats;

    for (size_t i = 0; i < ARRAY_LENGTH(ran); i++)
        fibers[i] = fiber_start("one", crowd_body, &ran[i]);
    fiber_yield();
    sandbox_stats_get(sandbox, &stats);
    cr_assert_eq(stats.busy, 2);
    cr_assert_eq(stats.waiting, 4);
    for (size_t i = 0; i < ARRAY_LENGTH(ran); i++) {
        fiber_join(fibers[i]);
        cr_assert_eq(ran[i].r, 0, "%s", ran[i].err.text);
        cr_assert_str_eq(buf_string(&ran[i].out), "here\n");
        forget(&ran[i]);
    }
}

Test(sandbox, as_many_programs_run_at_once_as_there_are_places)
{
    with_sandbox(crowd);
}

static void refuse_all(void)
{
    struct ran ran;

    cr_assert_str_eq(sandbox_trouble(sandbox), "there is no bwrap in PATH (package bubblewrap)");
    run_files(&ran, SANDBOX_PYTHON, "print(1)", TEXT_NONE);
    cr_assert_eq(ran.r, -E_UNAVAILABLE);
    cr_assert_eq(ran.out.len, 0);
    forget(&ran);
}

/* The one that holds on any machine. */
Test(no_sandbox, without_bubblewrap_nothing_runs_and_the_reason_is_told)
{
    set_options();
    setenv("PATH", "/nowhere", 1);
    with_sandbox(refuse_all);
}

static void refuse_in_words(void)
{
    struct ran ran;

    cr_assert_str_eq(sandbox_trouble(sandbox), "bwrap: No permissions to create a new namespace");
    run_files(&ran, SANDBOX_PYTHON, "print(1)", TEXT_NONE);
    cr_assert_eq(ran.r, -E_UNAVAILABLE);
    forget(&ran);
}

/* A stand-in that says what bubblewrap does where the system lets it have no namespace. */
Test(no_sandbox, what_bubblewrap_says_is_what_people_are_told)
{
    char folder[] = "/tmp/penstock-bwrap-XXXXXX";
    char path[64];
    FILE *out;

    set_options();
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/bwrap", folder);
    out = fopen(path, "w");
    (void)fputs("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n",
                out);
    (void)fclose(out);
    cr_assert_eq(chmod(path, 0755), 0);
    cr_assert_eq(chmod(folder, 0755), 0);
    setenv("PATH", folder, 1);
    with_sandbox(refuse_in_words);
    unlink(path);
    rmdir(folder);
}

static void refuse_holes(void)
{
    cr_assert(strstr(sandbox_trouble(sandbox), "the sandbox of bwrap is none: it "), "%s",
              sandbox_trouble(sandbox));
}

/* One that has no walls: the probe sees that, whatever its status says. */
Test(no_sandbox, a_sandbox_without_walls_is_none)
{
    char folder[] = "/tmp/penstock-bwrap-XXXXXX";
    char path[64];
    FILE *out;

    set_options();
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/bwrap", folder);
    out = fopen(path, "w");
    (void)fputs("#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done; shift 2\n"
                "cat <&8 >$0.inside; chmod 755 $0.inside; $0.inside \"$@\"\n",
                out);
    (void)fclose(out);
    cr_assert_eq(chmod(path, 0755), 0);
    cr_assert_eq(chmod(folder, 0777), 0);
    setenv("PATH", folder, 1);
    with_sandbox(refuse_holes);
}
