#pragma once
/* Batches of prompts: reading them, running them, reporting. One file each: batch_file.c (pure),
 * batch_report.c (pure but for printing), batch_run.c (the flow, on the loop).
 *
 * An item is in one of four places: not submitted yet, under way (in the heap of polls), done but
 * waiting for earlier items to be written, written.
 */

#include <stdio.h>

#include "scheduler/cli/client.h"
#include "shared/base/error.h"

#define BATCH_FILE_BYTES_MAX ((size_t)512 << 20)
#define BATCH_LINE_BYTES_MAX ((size_t)1 << 20)
#define BATCH_ITEMS_MAX      1000000

struct batch_item {
    unsigned line;
    bool done;
    char *custom_id;
    char *prompt;
    struct json_object *metadata;  /* NULL: none */
    struct json_object *variables; /* NULL: none */

    char *run_id; /* NULL: it was not accepted */
    char *thread_id;
    char *status; /* of the run, or "rejected" */
    char *answer;
    struct json_object *usage;
    int64_t cost_micros;
    struct json_object *error; /* {code, message} */
    int64_t next_poll_ms;
    unsigned polls;
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

/* Counts for people. */
struct batch_progress {
    size_t total;
    size_t submitted;
    size_t done;
    size_t failed;  /* of done */
    size_t waiting; /* of done: for tool outputs, which somebody else gives */
    uint64_t tool_calls;
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

/* The line of results of an item that is done, with its line break. Pure. */
void batch_format_result(const struct batch_item *item, struct buf *out);

/* The index after the last item that may be written: all before it are done. Pure. */
size_t batch_writable(const struct batch_items *items, size_t written);

/* The idempotency key of a line: the same for the same batch and line. Pure. */
void batch_key(const char *batch_id, unsigned line, char out[80]);

/* How long to wait before the next look at a run; grows from 250 ms to 5 s, not below what the
 * server asked for (up to 30 s). Pure. */
int64_t batch_poll_ms(unsigned polls, int64_t poll_after_ms);

struct batch_run {
    struct client *client;
    struct batch_items *items;
    const char *agent_id;
    struct json_object *variables; /* of all, where a line does not say another one; NULL: none */
    const char *batch_id;
    unsigned concurrency;
    FILE *results;
    bool interrupted; /* out: a signal ended it */
    int signal;
    struct batch_progress progress; /* out */
};

/* Submits all, polls all, writes results in order, shows progress on standard error. Returns 0
 * when all items are done (well or not), or the failure that ended the batch early. */
SUSPENDS MUSTCHECK int batch_run(struct batch_run *run, struct error *err);
