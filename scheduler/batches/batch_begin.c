/* Beginning lines: a wave is read, its lines are checked as the endpoint would check them, and what
 * is refused is answered at once.
 *
 * Runs of one call are made by the statement of their wave. Those of agents are made behind it by
 * shared/submit, with ids that stand in their lines: so a wave whose maker died is made by the next
 * one, and what was made before is found. */

#include <stdlib.h>

#include "scheduler/api/files/message_files.h"
#include "scheduler/api/openai/batch_line.h"
#include "scheduler/batches/batch_answer.h"
#include "scheduler/batches/batch_input.h"
#include "scheduler/batches/batch_task.h"
#include "scheduler/batches/batches_internal.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/submit/submit.h"

/* ---- runs of agents ---- */

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

SUSPENDS static int submit_line(struct making_line *making, struct arena *arena)
{
    struct batch_task *task = making->task;
    struct store store = task->store;
    struct submission submission = {
        .request = making->body,
        .id = making->run,
        .ends_at_calls = true,
    };
    struct submitted submitted;

    store.arena = arena;
    store.limits = &task->batches->options.limits;
    json_object_object_add(making->body, "priority", json_object_new_string("low"));
    return submit(task->batches->submitter, &store, &submission, &submitted, &making->failure);
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
    making->refused = r < 0 && making->failure.status < 500 && making->failure.status != 429;
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

static int no_room(struct error *err)
{
    return error_set(err, E_LIMIT, "a wave of a batch is too large");
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

/* Lines of an earlier wave whose runs were not made then. */
SUSPENDS static int make_left(struct batch_task *task, struct error *err)
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
        return no_room(err);
    while (r == 0 && count < lines.count && held < BATCH_WAVE_BYTES) {
        r = read_again(task, &lines.items[count], &makings[count], &held, err);
        count++;
    }
    if (r == 0)
        r = make_lines(task, makings, count, err);
    makings_free(makings, count);
    return r;
}

/* ---- a wave ---- */

struct wave {
    struct batch_task *task;
    struct batch_wave rows;
    struct batch_new_line lines[BATCH_WAVE_MAX];
    struct making_line makings[BATCH_WAVE_MAX]; /* beside `lines`, where runs are made later */
    struct buf errors;
    size_t bytes;
};

static void wave_freep(struct wave **wave)
{
    if (!*wave)
        return;
    makings_free((*wave)->makings, (*wave)->rows.count);
    buf_deinit(&(*wave)->errors);
    free(*wave);
}

/* As the endpoint would: its body, and the models and files that it names. */
SUSPENDS static int check(struct batch_task *task, struct text text, const struct batch_ask *ask,
                          struct failure *failure)
{
    int r = task->endpoint->check(ask->body, failure);

    if (r == 0 && task->endpoint->kind)
        r = batches_check_models(task->batches, ask->body, failure);
    else if (r == 0)
        r = message_files_look(&task->store, text, ask->body, failure);
    return r;
}

static struct text copy_of(struct wave *wave, struct text text)
{
    char *copy = arena_copy(&wave->task->arena, text);

    return copy ? (struct text){copy, text.len} : TEXT_NONE;
}

/* Takes ask->line over where its run is made later. */
static int add_line(struct wave *wave, const struct batch_input *input,
                    const struct batch_input_line *line, struct batch_ask *ask, struct error *err)
{
    struct batch_task *task = wave->task;
    struct batch_new_line *row = &wave->lines[wave->rows.count];
    struct text user = json_get_text(ask->body, "user");
    bool later = !task->endpoint->kind;

    *row = (struct batch_new_line){
        .line = line->line,
        .at_byte = line->at_byte,
        .bytes = batch_input_at(input) - line->at_byte,
        .run = uuid_new(),
        .custom_id = copy_of(wave, ask->custom_id),
        .user = user.ptr && !later ? copy_of(wave, user) : TEXT_NONE,
        .spec = later ? TEXT_NONE : copy_of(wave, json_text(ask->body)),
    };
    row->shard = row->run.bytes[15] % task->batches->options.shards;
    if (!row->custom_id.ptr || (!later && !row->spec.ptr))
        return no_room(err);
    wave->makings[wave->rows.count] =
        (struct making_line){.line = row->line, .run = row->run, .custom_id = row->custom_id};
    if (later) {
        wave->makings[wave->rows.count].parsed = ask->line;
        wave->makings[wave->rows.count].body = ask->body;
        ask->line = NULL;
    }
    wave->bytes += line->text.len;
    wave->rows.count++;
    return 0;
}

/* A line was fit when the batch was validated, and its file can't change. */
SUSPENDS static int take_line(struct wave *wave, const struct batch_input *input,
                              const struct batch_input_line *line, struct error *err)
{
    struct batch_task *task = wave->task;
    struct failure failure = {0};
    struct batch_fault fault;
    struct batch_ask ask;
    int r = batch_line_read(line->text, task->endpoint, &ask, &fault);

    if (r < 0)
        failure_param(&failure, 400, fault.param, fault.code, "%s", fault.message);
    else
        r = check(task, line->text, &ask, &failure);
    if (r == 0) {
        r = add_line(wave, input, line, &ask, err);
    } else if (failure.status >= 500) {
        r = error_set(err, E_UNAVAILABLE, "a line can't be judged now: %s", failure.cause);
    } else {
        batch_answer_failure(&wave->errors, uuid_new(),
                             ask.custom_id.ptr ? ask.custom_id : TEXT(""), &failure);
        wave->rows.refused++;
        r = 0;
    }
    json_free(ask.line);
    wave->rows.to_line = line->line;
    wave->rows.to_byte = batch_input_at(input);
    return r;
}

/* At the end of the input blank lines are passed, too. */
SUSPENDS static int read_wave(struct wave *wave, int64_t count, struct error *err)
{
    struct batch_task *task = wave->task;
    struct batch_input input;
    struct batch_input_line line;
    int64_t taken = 0;
    int r = 0;

    batch_input_open(&input, task->batches->options.blobs, &task->input.blob, task->row.at_byte,
                     task->row.at_line);
    while (r == 0 && taken < count && wave->bytes < BATCH_WAVE_BYTES) {
        r = batch_input_next(&input, &line, err);
        if (r == 0)
            r = take_line(wave, &input, &line, err);
        taken++;
    }
    if (r == BATCH_INPUT_END) {
        wave->rows.to_byte = task->input.blob.bytes;
        r = 0;
    }
    batch_input_close(&input);
    return r;
}

SUSPENDS static int begin_wave(struct batch_task *task, int64_t count, struct error *err)
{
    CLEANUP(wave_freep) struct wave *wave = calloc(1, sizeof(*wave));
    int r;

    if (!wave)
        return no_room(err);
    wave->task = task;
    wave->rows = (struct batch_wave){
        .from_line = task->row.at_line,
        .to_line = task->row.at_line,
        .to_byte = task->row.at_byte,
        .kind = task->endpoint->kind,
        .lines = wave->lines,
    };
    buf_init(&wave->errors, 0);
    r = read_wave(wave, count, err);
    if (r == 0)
        r = buf_check(&wave->errors, err);
    if (r < 0)
        return r;
    wave->rows.errors = buf_text(&wave->errors);
    r = batch_wave(task->store.pg, &task->hold, &wave->rows, err);
    if (r != 0)
        return r;
    task->row.at_line = wave->rows.to_line;
    task->row.at_byte = wave->rows.to_byte;
    task->begun += (int64_t)wave->rows.count;
    task->batches->lines_begun += wave->rows.count;
    task->batches->lines_failed += (uint64_t)wave->rows.refused;
    return task->endpoint->kind ? 0 : make_lines(task, wave->makings, wave->rows.count, err);
}

/* How many may be at work: the tenant's other batches have their part. */
static int64_t at_work_max(const struct batch_task *task)
{
    int64_t share = BATCH_AT_WORK_ALL / (task->beside > 0 ? task->beside : 1);
    int64_t most = share < task->at_work_max ? share : task->at_work_max;

    return most > BATCH_AT_WORK_MIN ? most : BATCH_AT_WORK_MIN;
}

int batch_task_begin(struct batch_task *task, struct error *err)
{
    int64_t room;
    int r;

    task->begun = 0;
    if (batch_task_at_end(task) && task->endpoint->kind)
        return 0;
    r = batch_task_input(task, err);
    if (r == FILE_MISSING)
        return batch_task_lose_input(task, err);
    if (r == 0 && !task->endpoint->kind)
        r = make_left(task, err);
    if (r == 0)
        r = batch_lines_left(task->store.pg, task->hold.id, &task->left, err);
    room = at_work_max(task) - task->left;
    while (r == 0 && room > 0 && !batch_task_at_end(task)) {
        int64_t before = task->row.at_byte;

        r = begin_wave(task, room < BATCH_WAVE_MAX ? room : BATCH_WAVE_MAX, err);
        room -= BATCH_WAVE_MAX;
        if (r == 0 && task->row.at_byte == before)
            break;
    }
    return r == -E_NOT_FOUND ? batch_task_lose_input(task, err) : r;
}
