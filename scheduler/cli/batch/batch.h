#pragma once
/* Batches of prompts, as `penstock batch run` has them: lines of a batch of the API, whose answers
 * come back in the order of the prompts. One file each: batch_file.c, batch_lines.c (both pure),
 * batch_report.c (pure but for printing), batch_state.c, batch_run.c (the flow, on the loop).
 */

#include <stdio.h>

#include "scheduler/cli/client.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"

#define BATCH_FILE_BYTES_MAX ((size_t)512 << 20)
#define BATCH_LINE_BYTES_MAX ((size_t)1 << 20)
#define BATCH_ITEMS_MAX      1000000
#define BATCH_CUSTOM_ID_MAX  512 /* characters */

struct batch_item {
    unsigned line;
    char *custom_id;
    char *prompt;
    struct json_object *metadata;  /* NULL: none */
    struct json_object *variables; /* NULL: none */

    /* Where its answer is: in which of the downloaded files (NULL: in none), and where there. */
    FILE *file;
    int64_t at;
    size_t bytes;

    char *run_id; /* NULL: it never became a run */
    char *thread_id;
};

struct batch_items {
    struct batch_item *items;
    size_t count;
    size_t skipped; /* bad lines, with skip_bad */
};

#define BATCH_COMPLAINTS_MAX 20

/* How a file is read. tell(arg, text) is called for each of the first BATCH_COMPLAINTS_MAX bad
 * lines, with "PATH:LINE: ...". */
struct batch_reading {
    const char *path; /* a name for messages */
    bool skip_bad;    /* bad lines are left out, and counted in out->skipped */
    void (*tell)(void *arg, const char *complaint);
    void *arg;
};

/* Parses JSON lines: {"prompt", "custom_id"?, "metadata"?, "variables"?}; blank lines are left out.
 * Returns 0, or -E_INVALID (with how many lines are bad, or that there is no prompt). */
MUSTCHECK int batch_file_parse(const struct batch_reading *how, struct text text,
                               struct batch_items *out, struct error *err);
void batch_items_deinit(struct batch_items *items);

/* ---- lines of the API's batch ---- */

#define BATCH_ENDPOINT "/v1/threads/runs"

/* Appends the item as a line of the batch. `variables` (NULL: none) are those of all. Pure. */
void batch_line_write(const struct batch_item *item, const char *agent_id,
                      struct json_object *variables, struct buf *out);

/* What an answer of the batch's files says. */
struct batch_answer {
    const char *run_id; /* NULL: it never became a run; borrowed, as all that is here */
    const char *thread_id;
    struct text status; /* of the run; "rejected", or "unanswered" */
    struct text answer; /* TEXT_NONE: none */
    struct json_object *usage;
    int64_t cost_micros;
    struct text error_code; /* TEXT_NONE: there was no error */
    struct text error_message;
    bool calls; /* it called functions of its client, and ended there */
};

/* `line` may be NULL: there is none. Pure. */
void batch_answer_read(struct json_object *line, struct batch_answer *out);

/* ---- what people are told ---- */

/* Counts for people. */
struct batch_progress {
    size_t total;
    size_t done;
    size_t failed; /* of done */
    size_t calls;  /* of done: those that called functions of their client */
    uint64_t input_tokens;
    uint64_t output_tokens;
    int64_t cost_micros;
    int64_t elapsed_ms;
};

/* One line such as "[####------] 40/100  8.0/s  1 failed", bar and all at most `width` wide where
 * that is possible (0: without the bar). Pure. */
void batch_format_progress(const struct batch_progress *progress, size_t width, struct buf *out);

/* Several lines at the end. Pure. */
void batch_format_summary(const struct batch_progress *progress, struct buf *out);

/* The line of results of an item, with its line break. Pure. */
void batch_format_result(const char *custom_id, const struct batch_answer *answer, struct buf *out);

/* ---- what is kept while it is under way ---- */

/* Beside the results, from before the batch is made until they are written: so the same command
 * goes on with what it has begun, whenever it was interrupted, and begins anew once it was done. */
struct batch_state {
    char lines[SHA256_TEXT_SIZE]; /* the hash of what was uploaded */
    char key[48];                 /* the Idempotency-Key of the batch */
    char file[64];                /* of the lines */
    char id[64];                  /* of the batch; empty: not known yet */
};

/* Returns 0; -E_NOT_FOUND: there is none; or -E_INVALID. */
MUSTCHECK int batch_state_read(const char *path, struct batch_state *out, struct error *err);
MUSTCHECK int batch_state_write(const char *path, const struct batch_state *state,
                                struct error *err);

/* ---- the flow ---- */

struct batch_run {
    struct client *client;
    struct batch_items *items;
    const char *agent_id;
    struct json_object *variables; /* of all, where a line does not say another one; NULL: none */
    const char *batch_id;     /* the one to go on with; NULL: that of the state, or a new one */
    const char *state_path;   /* NULL: nothing is kept */
    struct batch_state state; /* out; id empty: no batch was made */
    bool interrupted;         /* out: a signal ended it; the batch goes on */
    int signal;
    FILE *files[2];                 /* out: the batch's files, for the items; NULL: none */
    struct batch_progress progress; /* out */
};

/* Uploads the lines, makes the batch or goes on with it, shows its progress on standard error, and
 * fetches its files. Returns 0 when it has ended, well or not; -E_INVALID: what is to be gone on
 * with is of other prompts; -E_REJECTED: the batch failed as a whole; or what the client failed
 * with. */
SUSPENDS MUSTCHECK int batch_run(struct batch_run *run, struct error *err);
