/* The end before the end: runs at work are cancelled, and all lines that were never begun are
 * answered by that. */

#include "scheduler/api/openai/batch_line.h"
#include "scheduler/batches/batch_answer.h"
#include "scheduler/batches/batch_input.h"
#include "scheduler/batches/batch_task.h"
#include "scheduler/batches/batches_internal.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"

#define STOP_RUNS 500

static void add_never(const struct batch_task *task, struct buf *out, struct uuid run,
                      struct text custom_id)
{
    if (text_is(task->row.ending, "cancelled"))
        batch_answer_never(out, run, custom_id, "batch_cancelled",
                           "This line was not begun: the batch was cancelled.");
    else if (text_is(task->row.ending, "expired"))
        batch_answer_never(out, run, custom_id, "batch_expired",
                           "This line could not be begun before the batch's time was over.");
    else
        batch_answer_never(out, run, custom_id, "batch_failed",
                           "This line was not begun: the batch's input file is gone.");
}

SUSPENDS static int cancel_run(struct batch_task *task, struct uuid id, struct error *err)
{
    static const struct uuid any = {{0}};
    struct run run;
    int r = runs_cancel(&task->store, any, id, &run, err);

    if (r < 0)
        return r;
    if (r == 0)
        run_events_cancelled(&task->batches->options.events, &run);
    return 0;
}

SUSPENDS static int stop_lines(struct batch_task *task, struct error *err)
{
    CLEANUP(buf_deinit) struct buf errors;
    int64_t numbers[STOP_RUNS];
    struct batch_answers answers = {.lines = numbers};
    struct batch_lines lines;
    int r = batch_lines_open(&task->store, task->hold.id, true, STOP_RUNS, &lines, err);

    buf_init(&errors, 0);
    for (size_t i = 0; r == 0 && i < lines.count; i++) {
        const struct batch_line *line = &lines.items[i];

        if (line->made) {
            r = cancel_run(task, line->run_id, err);
            continue;
        }
        numbers[answers.count++] = line->line;
        add_never(task, &errors, line->run_id, line->custom_id);
    }
    if (r < 0 || answers.count == 0)
        return r;
    r = buf_check(&errors, err);
    answers.errors = buf_text(&errors);
    task->batches->lines_failed += answers.count;
    return r < 0 ? r : batch_settle(task->store.pg, &task->hold, &answers, err);
}

/* Lines that were never begun, some at a time. */
SUSPENDS static int pass_some(struct batch_task *task, struct batch_input *input, struct error *err)
{
    CLEANUP(buf_deinit) struct buf errors;
    struct batch_wave wave = {.from_line = task->row.at_line, .to_byte = task->row.at_byte};
    struct batch_input_line line;
    int r = 0;

    buf_init(&errors, 0);
    while (r == 0 && wave.refused < BATCH_WAVE_MAX) {
        struct batch_fault fault;
        struct batch_ask ask;

        r = batch_input_next(input, &line, err);
        if (r != 0)
            break;
        (void)!batch_line_read(line.text, task->endpoint, &ask, &fault);
        add_never(task, &errors, uuid_new(), ask.custom_id.ptr ? ask.custom_id : TEXT(""));
        json_free(ask.line);
        wave.refused++;
    }
    if (r < 0)
        return r;
    wave.to_line = input->line;
    wave.to_byte = batch_input_at(input);
    wave.errors = buf_text(&errors);
    r = buf_check(&errors, err);
    if (r == 0)
        r = batch_wave(task->store.pg, &task->hold, &wave, err);
    if (r != 0)
        return r;
    task->row.at_line = wave.to_line;
    task->row.at_byte = wave.to_byte;
    task->batches->lines_failed += (uint64_t)wave.refused;
    fiber_yield();
    return 0;
}

SUSPENDS static int pass_rest(struct batch_task *task, struct error *err)
{
    struct batch_input input;
    int r = batch_task_input(task, err);

    if (r == FILE_MISSING) {
        task->input_lost = true;
        return 0;
    }
    if (r < 0)
        return r;
    batch_input_open(&input, task->batches->options.blobs, &task->input.blob, task->row.at_byte,
                     task->row.at_line);
    while (r == 0 && !batch_task_at_end(task))
        r = pass_some(task, &input, err);
    batch_input_close(&input);
    if (r == -E_NOT_FOUND) {
        task->input_lost = true;
        r = 0;
    }
    return r;
}

int batch_task_stop(struct batch_task *task, struct error *err)
{
    struct batch_left left;
    int r = stop_lines(task, err);

    if (r == 0 && !batch_task_at_end(task))
        r = pass_rest(task, err);
    if (r == 0)
        r = batch_lines_left(task->store.pg, task->hold.id, &left, err);
    if (r == 0)
        task->left = left.count;
    return r;
}
