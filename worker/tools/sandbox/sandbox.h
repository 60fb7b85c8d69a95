#pragma once
/* The sandbox: programs of models, where they can do no harm. One run of a program is one sandbox,
 * which is gone when it ends; what lasts, its caller takes out of one and puts into the next.
 *
 *   worker ── order ──► penstock-spawn ── fork, uid, limits ──► bwrap ── namespaces, filter ──►
 *   penstock-inside ── files, time ──► python3 or node
 *
 * Whether this machine can have one is found out when the worker begins (sandbox_find_out), by a
 * sandbox with the real arguments that looks for holes. Until it is known, and where it is not so,
 * nothing runs.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/fiber/cond.h"
#include "worker/tools/sandbox/archive.h"
#include "worker/tools/sandbox/capture.h"

struct error;
struct sandbox;
struct spawner;

/* Files that come out of one. */
#define SANDBOX_OUT_FILES  20
#define SANDBOX_OUT_BYTES  ((size_t)16 << 20)
#define SANDBOX_IN_BYTES   ((size_t)16 << 20)
#define SANDBOX_WORK_BYTES ((size_t)8 << 20)

struct sandbox_options {
    int slots; /* programs at once */
    int64_t wall_ms;
    int64_t cpu_seconds;  /* of each process */
    int64_t memory_bytes; /* of each process; of all of them where there is a control group */
    int64_t processes;
    int64_t disk_bytes;   /* of the files of a program */
    int64_t output_bytes; /* that are kept of each of its two outputs */
    int64_t first_uid;
    const char *groups; /* folders of control groups, with commas between; "": none */
};

/* What a job is run by. Of SANDBOX_PDF the code is a PDF, and the program pdftotext, which writes
 * its text to out/SANDBOX_PDF_OUT. */
enum sandbox_language { SANDBOX_PYTHON, SANDBOX_JAVASCRIPT, SANDBOX_PDF };
#define SANDBOX_PDF_OUT "page.txt"

struct sandbox_stats {
    uint64_t runs;     /* programs that were started */
    uint64_t refused;  /* calls that got no sandbox */
    uint64_t killed;   /* programs whose time was over, or that printed too much */
    uint64_t restarts; /* of the helper process */
    size_t busy;
    size_t waiting;
};

/* Never fails: one that can't be had says why. */
struct sandbox *sandbox_open(const struct sandbox_options *options);
SUSPENDS void sandbox_close(struct sandbox *sandbox); /* accepts NULL */

/* Finds out whether a sandbox can be had; to be called once, before all else. Returns 0: it is
 * known now, or -E_CANCELED. */
SUSPENDS MUSTCHECK int sandbox_find_out(struct sandbox *sandbox, struct error *err);

/* What is known: NULL, nothing yet; "": there is one; else why there is none, in words. */
const char *sandbox_trouble(const struct sandbox *sandbox);
/* The trouble is none of this machine's kind: to find out again may find a sandbox. */
bool sandbox_may_recover(const struct sandbox *sandbox);
bool sandbox_speaks(const struct sandbox *sandbox, enum sandbox_language language);
void sandbox_stats_get(const struct sandbox *sandbox, struct sandbox_stats *out);
const struct sandbox_options *sandbox_options_get(const struct sandbox *sandbox);

/* Programs of a thread have one work folder, so they run one after the other: returns 0 when it is
 * this one's turn, -E_TIMEOUT or -E_CANCELED. */
SUSPENDS MUSTCHECK int sandbox_enter_thread(struct sandbox *sandbox, struct uuid thread,
                                            int64_t deadline_ms, struct error *err);
void sandbox_leave_thread(struct sandbox *sandbox, struct uuid thread);

struct sandbox_job {
    enum sandbox_language language;
    struct text code;
    struct text files; /* an archive of "in/…" and "work/…" */
    int64_t deadline_ms;
};

/* What came of it. */
struct sandbox_outcome {
    struct archive_end end;
    struct capture out;
    struct capture error;
    struct buf archive; /* "work/…", "out/…", what was skipped, the end */
    bool flooded;       /* it was killed since it printed too much */
    bool lost;          /* it ended whoever was to pack its files */
    int64_t elapsed_us; /* from the start of the sandbox to its end */
};

void sandbox_outcome_init(struct sandbox_outcome *outcome);
void sandbox_outcome_deinit(struct sandbox_outcome *outcome);

/* Waits until it is known whether there is a sandbox. Returns 0: the job can be run;
 * -E_UNAVAILABLE: it can't, and why; or -E_TIMEOUT, -E_CANCELED. */
SUSPENDS MUSTCHECK int sandbox_check(struct sandbox *sandbox, const struct sandbox_job *job,
                                     struct error *err);

/* Waits for a place, and runs it. Returns 0 with *out, whatever the program did; -E_UNAVAILABLE:
 * there is no sandbox, and nothing ran; -E_TIMEOUT: there was no place in time; or another error.
 */
SUSPENDS MUSTCHECK int sandbox_run(struct sandbox *sandbox, const struct sandbox_job *job,
                                   struct sandbox_outcome *out, struct error *err);
