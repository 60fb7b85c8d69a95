/* The sandbox: its places, and one run of a program. What a sandbox is made of is confinement.c,
 * how one is made sandbox_confine.c, and whether it holds sandbox_probe.c. */

#include "worker/tools/sandbox/sandbox.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "worker/tools/sandbox/sandbox_internal.h"

#define FILE_BYTES  ((int64_t)16 << 20) /* of one file that a program writes */
#define NODE_HEAP   "--max-old-space-size=256"
#define MAIN_PYTHON "main.py"
#define MAIN_NODE   "main.js"
#define MAIN_PDF    "page.pdf"
#define PDF_PAGES   "300"
#define PDF_WALL_MS 20000

/* The folders that the operator names. */
static void split_groups(struct sandbox *sandbox)
{
    char *rest = NULL;

    sandbox->groups_text = xstrdup(sandbox->options.groups ? sandbox->options.groups : "");
    for (char *one = strtok_r(sandbox->groups_text, ", ", &rest);
         one && sandbox->group_count < SANDBOX_GROUPS; one = strtok_r(NULL, ", ", &rest))
        sandbox->groups[sandbox->group_count++] = one;
}

struct sandbox *sandbox_open(const struct sandbox_options *options)
{
    struct sandbox *sandbox = xcalloc(1, sizeof(*sandbox));

    sandbox->options = *options;
    split_groups(sandbox);
    buf_init(&sandbox->filter, 0);
    cond_init(&sandbox->freed);
    cond_init(&sandbox->found_out);
    cond_init(&sandbox->turn_ended);
    list_init(&sandbox->threads);
    return sandbox;
}

void sandbox_close(struct sandbox *sandbox)
{
    if (!sandbox)
        return;
    spawner_close(sandbox->spawner);
    buf_deinit(&sandbox->filter);
    free(sandbox->bwrap);
    free(sandbox->inside);
    free(sandbox->groups_text);
    free(sandbox);
}

const char *sandbox_trouble(const struct sandbox *sandbox)
{
    return sandbox->known ? sandbox->trouble : NULL;
}

bool sandbox_may_recover(const struct sandbox *sandbox)
{
    return sandbox->known && sandbox->trouble[0] && sandbox->may_pass;
}

bool sandbox_speaks(const struct sandbox *sandbox, enum sandbox_language language)
{
    switch (language) {
    case SANDBOX_PYTHON:
        return true;
    case SANDBOX_JAVASCRIPT:
        return sandbox->javascript;
    case SANDBOX_PDF:
        return sandbox->pdf;
    }
    return false;
}

void sandbox_stats_get(const struct sandbox *sandbox, struct sandbox_stats *out)
{
    *out = sandbox->stats;
    if (sandbox->spawner)
        out->restarts = spawner_restarts(sandbox->spawner);
}

const struct sandbox_options *sandbox_options_get(const struct sandbox *sandbox)
{
    return &sandbox->options;
}

void sandbox_outcome_init(struct sandbox_outcome *outcome)
{
    *outcome = (struct sandbox_outcome){.flooded = false};
    buf_init(&outcome->archive, SANDBOX_WORK_BYTES + SANDBOX_OUT_BYTES + ((size_t)2 << 20));
    capture_init(&outcome->out, 0);
    capture_init(&outcome->error, 0);
}

void sandbox_outcome_deinit(struct sandbox_outcome *outcome)
{
    buf_deinit(&outcome->archive);
    capture_deinit(&outcome->out);
    capture_deinit(&outcome->error);
}

void sandbox_command(const struct sandbox *sandbox, enum sandbox_language language, int64_t wall_ms,
                     struct sandbox_command *out)
{
    static const char *const python[] = {"/usr/bin/python3",  "-I", "-u", "-B",
                                         "/job/" MAIN_PYTHON, NULL};
    static const char *const node[] = {"/usr/bin/node", NODE_HEAP, "/job/" MAIN_NODE, NULL};
    static const char *const pdf[] = {
        SANDBOX_PDFTOTEXT,           "-q", "-enc", "UTF-8", "-l", PDF_PAGES, "/job/" MAIN_PDF,
        "/job/out/" SANDBOX_PDF_OUT, NULL};
    static const char *const *const programs[] = {
        [SANDBOX_PYTHON] = python, [SANDBOX_JAVASCRIPT] = node, [SANDBOX_PDF] = pdf};
    const char *const *program = programs[language];
    const struct sandbox_options *options = &sandbox->options;
    /* With a control group memory is counted where it is used, and addresses are free: node
     * reserves more of them than any program may use. */
    const int64_t addresses = sandbox->group_count > 0 ? 0 : options->memory_bytes;
    const int64_t numbers[8] = {
        wall_ms,           addresses,          options->cpu_seconds,
        FILE_BYTES,        options->processes, SANDBOX_WORK_BYTES,
        SANDBOX_OUT_BYTES, SANDBOX_OUT_FILES,
    };
    size_t count = 0;

    for (; count < ARRAY_LENGTH(numbers); count++) {
        (void)snprintf(out->numbers[count], sizeof(out->numbers[count]), "%" PRId64,
                       numbers[count]);
        out->list[count] = out->numbers[count];
    }
    out->list[count++] = "--";
    while (*program)
        out->list[count++] = *program++;
    out->list[count] = NULL;
}

char *sandbox_beside(const char *name)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *slash;

    path[length > 0 ? length : 0] = 0;
    slash = strrchr(path, '/');
    return xasprintf("%.*s/%s", slash ? (int)(slash - path) : 0, path, name);
}

/* The last entry tells how it ended. A program that killed its parent has none. */
static void find_end(struct sandbox_outcome *outcome)
{
    struct text rest = buf_text(&outcome->archive);
    struct archive_entry entry;
    int r;

    outcome->lost = true;
    while ((r = archive_next(&rest, &entry, NULL)) == 0) {
        if (entry.kind != ARCHIVE_END || entry.bytes.len != sizeof(outcome->end))
            continue;
        memcpy(&outcome->end, entry.bytes.ptr, sizeof(outcome->end));
        outcome->end.text[sizeof(outcome->end.text) - 1] = 0;
        outcome->lost = false;
        return;
    }
}

static int run(struct sandbox *sandbox, const struct sandbox_job *job, struct sandbox_outcome *out,
               struct error *err)
{
    static const char *const names[] = {
        [SANDBOX_PYTHON] = MAIN_PYTHON, [SANDBOX_JAVASCRIPT] = MAIN_NODE, [SANDBOX_PDF] = MAIN_PDF};
    struct archive_entry code = {
        .kind = ARCHIVE_FILE,
        .path = text_of(names[job->language]),
        .bytes = job->code,
    };
    int64_t wall_ms = sandbox->options.wall_ms;
    struct sandbox_command command;
    CLEANUP(buf_deinit) struct buf files;
    int r;

    if (job->language == SANDBOX_PDF && wall_ms > PDF_WALL_MS)
        wall_ms = PDF_WALL_MS;
    buf_init(&files, SANDBOX_IN_BYTES + SANDBOX_WORK_BYTES + ((size_t)4 << 20));
    buf_add_text(&files, job->files);
    archive_add(&files, &code);
    sandbox_command(sandbox, job->language, wall_ms, &command);
    r = buf_check(&files, err);
    if (r == 0)
        r = sandbox_confine(sandbox, command.list, wall_ms, buf_text(&files), out, err);
    if (r < 0)
        return r;
    find_end(out);
    if (out->flooded ||
        (!out->lost && (out->end.ending == ENDED_BY_TIME || out->end.ending == ENDED_BY_EXCESS)))
        sandbox->stats.killed++;
    if (!out->lost && out->end.ending == ENDED_NEVER_BEGAN)
        return error_set(err, E_UNAVAILABLE, "the program could not be started: %s", out->end.text);
    return 0;
}

/* Waits until it is known whether there is a sandbox: whoever comes right behind the worker's start
 * would else be told that there is none. */
int sandbox_check(struct sandbox *sandbox, const struct sandbox_job *job, struct error *err)
{
    int r = 0;

    while (r == 0 && !sandbox->known)
        r = cond_wait(&sandbox->found_out, job->deadline_ms, err);
    if (r < 0)
        return r;
    if (!sandbox->trouble[0] && sandbox_speaks(sandbox, job->language))
        return 0;
    sandbox->stats.refused++;
    if (sandbox->trouble[0])
        return error_set(err, E_UNAVAILABLE, "%s", sandbox->trouble);
    if (job->language == SANDBOX_PDF)
        return error_set(err, E_UNAVAILABLE,
                         "there is no " SANDBOX_PDFTOTEXT " (package poppler-utils)");
    return error_set(err, E_UNAVAILABLE, "javascript can't be run here, only python");
}

static int take_place(struct sandbox *sandbox, const struct sandbox_job *job, struct error *err)
{
    int r = 0;

    sandbox->stats.waiting++;
    while (r == 0 && sandbox->stats.busy >= (size_t)sandbox->options.slots)
        r = cond_wait(&sandbox->freed, job->deadline_ms, err);
    sandbox->stats.waiting--;
    if (r == -E_TIMEOUT)
        return error_set(err, E_TIMEOUT, "all places for programs are taken: try again later");
    return r;
}

int sandbox_run(struct sandbox *sandbox, const struct sandbox_job *job, struct sandbox_outcome *out,
                struct error *err)
{
    int r = sandbox_check(sandbox, job, err);

    if (r == 0)
        r = take_place(sandbox, job, err);
    if (r < 0)
        return r;
    sandbox->stats.busy++;
    sandbox->stats.runs++;
    r = run(sandbox, job, out, err);
    sandbox->stats.busy--;
    cond_signal(&sandbox->freed);
    return r;
}

struct thread_turn {
    struct list link;
    struct uuid thread;
};

static struct thread_turn *find_turn(struct sandbox *sandbox, struct uuid thread)
{
    list_for_each (item, &sandbox->threads) {
        struct thread_turn *turn = CONTAINER_OF(item, struct thread_turn, link);

        if (uuid_equal(turn->thread, thread))
            return turn;
    }
    return NULL;
}

int sandbox_enter_thread(struct sandbox *sandbox, struct uuid thread, int64_t deadline_ms,
                         struct error *err)
{
    struct thread_turn *turn;
    int r = 0;

    while (r == 0 && find_turn(sandbox, thread))
        r = cond_wait(&sandbox->turn_ended, deadline_ms, err);
    if (r < 0)
        return r;
    turn = xcalloc(1, sizeof(*turn));
    turn->thread = thread;
    list_add(&sandbox->threads, &turn->link);
    return 0;
}

void sandbox_leave_thread(struct sandbox *sandbox, struct uuid thread)
{
    struct thread_turn *turn = find_turn(sandbox, thread);

    ASSERT(turn);
    list_remove(&turn->link);
    free(turn);
    cond_broadcast(&sandbox->turn_ended);
}
