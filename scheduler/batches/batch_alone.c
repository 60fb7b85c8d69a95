/* Runs of agents that were not made with their wave: it could not be known what became of one, it
 * is large or has conditions of its own, its agent was changed at that moment, or the database
 * refused one of them all. Each is made alone, which tells why not, with the id that stands in its
 * line: so one that was made before is found. */

#include "scheduler/api/openai/batch_line.h"
#include "scheduler/batches/batch_answer.h"
#include "scheduler/batches/batch_ask.h"
#include "scheduler/batches/batch_input.h"
#include "scheduler/batches/batch_span.h"
#include "scheduler/batches/batch_task.h"
#include "scheduler/batches/batches_internal.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/trace/trace_context.h"

/* A line whose run is to be made. */
struct making_line {
    struct batch_task *task;
    struct fiber *fiber;
    int64_t line;
    struct uuid run;
    struct text custom_id;
    struct json_object *parsed; /* the line, as batch_line_read gave it */
    struct json_object *body;   /* of it */
    bool made;
    bool refused;
    struct failure failure;
};

static void makings_free(struct making_line *makings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_free(makings[i].parsed);
}

/* Not unless the batch is held and begins lines, at that very moment. */
SUSPENDS static int submit_line(struct making_line *making, struct arena *arena)
{
    struct batch_task *task = making->task;
    struct store store = task->store;
    struct trace_context trace;
    bool traced = batch_span_line(task, making->run, &trace);
    struct batch_fence fence;

    batch_fence_init(&fence, &task->hold, -1);
    store.arena = arena;
    store.limits = &task->batches->options.limits;
    store.rider = &fence.query;
    return batch_ask_submit(
        task, &store, &(struct batch_run_ask){making->body, making->run, traced ? &trace : NULL},
        &making->failure);
}

static void make_line(void *arg)
{
    struct making_line *making = arg;
    struct arena arena;
    int r;

    arena_init(&arena, 0);
    r = submit_line(making, &arena);
    arena_deinit(&arena);
    making->made = r == 0;
    making->refused = r < 0 && batch_ask_is_refused(&making->failure);
}

SUSPENDS static int settle_refused(struct batch_task *task, const struct making_line *makings,
                                   size_t count, struct error *err)
{
    CLEANUP(buf_deinit) struct buf errors;
    int64_t lines[BATCH_WAVE_MAX];
    struct batch_answers answers = {.lines = lines};

    buf_init(&errors, 0);
    for (size_t i = 0; i < count; i++) {
        if (!makings[i].refused)
            continue;
        lines[answers.count++] = makings[i].line;
        batch_answer_failure(&errors, makings[i].run, makings[i].custom_id, &makings[i].failure);
    }
    if (answers.count == 0)
        return buf_check(&errors, err);
    answers.errors = buf_text(&errors);
    task->batches->lines_failed += answers.count;
    return batch_settle(task->store.pg, &task->hold, &answers, err);
}

/* What can't be made now is left for the next round. */
SUSPENDS static int make_lines(struct batch_task *task, struct making_line *makings, size_t count,
                               struct error *err)
{
    int64_t made[BATCH_WAVE_MAX];
    size_t made_count = 0;
    int r = 0;

    for (size_t i = 0; i < count; i++) {
        makings[i].task = task;
        makings[i].fiber = fiber_start("batch line", make_line, &makings[i]);
    }
    for (size_t i = 0; i < count; i++) {
        fiber_join(makings[i].fiber);
        if (makings[i].made)
            made[made_count++] = makings[i].line;
    }
    if (made_count > 0)
        r = batch_lines_made(task->store.pg, &task->hold, made, made_count, err);
    return r == 0 ? settle_refused(task, makings, count, err) : r;
}

/* A line that was begun is fit, and its file can't change: where it is not, the file is gone. */
SUSPENDS static int read_again(struct batch_task *task, const struct batch_line *line,
                               struct making_line *out, size_t *held, struct error *err)
{
    struct batch_input input;
    struct batch_input_line text;
    struct batch_fault fault;
    struct batch_ask ask = {.line = NULL};
    int r;

    batch_input_open(&input, task->batches->options.blobs, &task->input.blob, line->at_byte,
                     line->line - 1);
    r = batch_input_next(&input, &text, err);
    if (r == 0 && batch_line_read(text.text, task->endpoint, &ask, &fault) < 0)
        r = error_set(err, E_NOT_FOUND, "a line of a batch is not there any more");
    *held += r == 0 ? text.text.len : 0;
    batch_input_close(&input);
    *out = (struct making_line){.line = line->line,
                                .run = line->run_id,
                                .custom_id = line->custom_id,
                                .parsed = ask.line,
                                .body = ask.body};
    return r == BATCH_INPUT_END ? -E_NOT_FOUND : r;
}

int batch_task_make_left(struct batch_task *task, struct error *err)
{
    struct making_line *makings;
    struct batch_lines lines;
    size_t count = 0;
    size_t held = 0;
    int r = batch_lines_open(&task->store, task->hold.id, false, BATCH_WAVE_MAX, &lines, err);

    if (r < 0 || lines.count == 0)
        return r;
    makings = arena_calloc(&task->arena, lines.count, sizeof(*makings));
    if (!makings)
        return error_set(err, E_LIMIT, "too many lines of a batch");
    while (r == 0 && count < lines.count && held < BATCH_WAVE_BYTES) {
        r = read_again(task, &lines.items[count], &makings[count], &held, err);
        count++;
    }
    if (r == 0)
        r = make_lines(task, makings, count, err);
    makings_free(makings, count);
    return r;
}
