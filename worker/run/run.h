#pragma once
/* Runs in work: begun with a claim, found by their ids, asked to stop. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "worker/run/task/task.h"

struct histories;
struct run_claim;
struct run_kind;
struct worker;

/* Starts a fiber for a claimed run of a kind; copies the claim, and its history if it is among
 * `histories` (of the claim; may be NULL). `kind` NULL: this worker knows no kind of that name, and
 * the run fails with a sentence that says so. The task frees itself when it ended, after taking
 * itself off worker->runs. */
void run_start(struct worker *worker, const struct run_claim *claim,
               const struct histories *histories, const struct run_kind *kind);

/* Ask it to stop; the first reason counts. */
void run_stop(struct run_task *task, enum run_stop why);

/* Asks every run that was not asked before. */
void run_stop_all(struct worker *worker, enum run_stop why);

/* Hands those back that wait for room: another worker may have some. */
void run_stop_waiting(struct worker *worker);

/* The runs in work by their ids, to look up many of them. It holds as long as the fiber does not
 * wait. */
struct run_index {
    struct run_task **tasks; /* sorted by id */
    size_t count;
};

void run_index_init(struct run_index *index, const struct worker *worker);
void run_index_deinit(struct run_index *index);

/* The run of that id, or NULL: it is not in work here. */
struct run_task *run_index_find(const struct run_index *index, struct uuid run);
