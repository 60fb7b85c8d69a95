#pragma once
/* A batch that this scheduler holds: a fiber of its own, which goes round until the batch has come
 * to its end, or is somebody else's.
 *
 *   validate   the whole input, line by line (batch_validate.c)
 *   collect    answers of lines whose runs have ended -> the output (batch_collect.c)
 *   begin      lines -> runs, a wave of them, while few enough are at work (batch_begin.c,
 *              batch_alone.c)
 *   stop       after a cancel, or when its window is over: runs are cancelled, and the lines
 *              that are left answered by that (batch_stop.c)
 *   finish     the output -> files (batch_finish.c)
 *
 * Nothing is kept in memory from one round to the next but how large a wave may be: what a round
 * does follows from the batch's row, so it does not matter who did the last one, nor how that
 * ended. Each stage returns 0, BATCH_LOST, or a failure, after which the round is done again. */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/store/batches/batch_work.h"
#include "shared/store/files/files.h"

struct batches;
struct batch_endpoint;
struct fiber;

#define BATCH_AT_WORK_MIN 50
#define BATCH_AT_WORK_MAX 1000 /* runs of a batch */
#define BATCH_AT_WORK_ALL 2000 /* of all batches of a tenant that one scheduler holds, about */

struct batch_task {
    struct batches *batches;
    struct batch_hold hold;
    struct fiber *fiber;
    bool over;
    int64_t at_work_max; /* follows the pace */
    bool input_lost;     /* what is left of it can't be read any more */
    char name[ID_TEXT_SIZE];

    /* Of a round. */
    struct arena arena;
    struct store store;
    struct batch row;
    int64_t beside; /* batches of the tenant in progress, this one included */
    const struct batch_endpoint *endpoint;
    struct file input;
    int64_t left;      /* lines that were begun and are not answered */
    int64_t collected; /* in this round */
    int64_t begun;
};

SUSPENDS MUSTCHECK int batch_task_validate(struct batch_task *task, struct error *err);
SUSPENDS MUSTCHECK int batch_task_collect(struct batch_task *task, struct error *err);
SUSPENDS MUSTCHECK int batch_task_begin(struct batch_task *task, struct error *err);

/* Those lines of earlier waves whose runs were not made with them (batch_alone.c). */
SUSPENDS MUSTCHECK int batch_task_make_left(struct batch_task *task, struct error *err);

SUSPENDS MUSTCHECK int batch_task_stop(struct batch_task *task, struct error *err);
SUSPENDS MUSTCHECK int batch_task_finish(struct batch_task *task, struct error *err);

/* The input. FILE_MISSING: it was deleted. */
SUSPENDS MUSTCHECK int batch_task_input(struct batch_task *task, struct error *err);

/* It can't be read any more: no further line is begun. Returns as batch_stop. */
SUSPENDS MUSTCHECK int batch_task_lose_input(struct batch_task *task, struct error *err);

/* No line is left that could be begun. */
bool batch_task_at_end(const struct batch_task *task);

void batch_task_start(struct batch_task *task);
