/* Beginning lines: a wave is read, its lines are checked as the endpoint would check them, and what
 * is refused is answered at once. The others become runs by the statement of their wave, all that
 * can; those of agents that could not are made one by one in the next round (batch_alone.c). */

#include <stdlib.h>

#include "providers/openai_api/chat_request.h"
#include "scheduler/api/files/message_files.h"
#include "scheduler/api/openai/batch_line.h"
#include "scheduler/batches/batch_answer.h"
#include "scheduler/batches/batch_ask.h"
#include "scheduler/batches/batch_input.h"
#include "scheduler/batches/batch_span.h"
#include "scheduler/batches/batch_task.h"
#include "scheduler/batches/batches_internal.h"
#include "shared/base/error.h"
#include "shared/store/submissions/run_batches.h"
#include "shared/submit/submit.h"
#include "shared/trace/trace_context.h"

static int no_room(struct error *err)
{
    return error_set(err, E_LIMIT, "a wave of a batch is too large");
}

struct wave {
    struct batch_task *task;
    struct batch_wave rows;
    struct batch_new_line lines[BATCH_WAVE_MAX];
    /* Of runs of agents: makings, and what they borrow from. */
    struct run_making makings[BATCH_WAVE_MAX];
    struct submit_draft drafts[BATCH_WAVE_MAX];
    struct json_object *parsed[BATCH_WAVE_MAX];
    struct json_object *kept[BATCH_WAVE_MAX];
    struct arena arena;
    struct buf errors;
    size_t bytes;
};

static void wave_freep(struct wave **wave)
{
    if (!*wave)
        return;
    for (size_t i = 0; i < (*wave)->rows.makings_count; i++) {
        json_free((*wave)->parsed[i]);
        json_free((*wave)->kept[i]);
    }
    buf_deinit(&(*wave)->errors);
    arena_deinit(&(*wave)->arena);
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
    char *copy = arena_copy(&wave->arena, text);

    return copy ? (struct text){copy, text.len} : TEXT_NONE;
}

static struct json_object *trace_json(const struct trace_context *trace)
{
    struct json_object *object = json_object_new_object();
    char parent[TRACEPARENT_SIZE];

    traceparent_format(trace, parent);
    json_object_object_add(object, "parent", json_object_new_string(parent));
    return object;
}

/* A run of one call is a part of its line. */
static void add_call(struct wave *wave, struct batch_new_line *row, const struct batch_ask *ask)
{
    struct text user = chat_request_user(ask->body);
    struct trace_context trace;

    if (batch_span_line(wave->task, row->run, &trace))
        json_object_object_add(ask->body, "trace", trace_json(&trace));
    row->user = user.ptr ? copy_of(wave, user) : TEXT_NONE;
    row->spec = copy_of(wave, json_text(ask->body));
}

/* One that can't be made now, or not with others, is left to batch_alone.c. Takes ask->line over.
 * Returns 0, or -E_INVALID with *failure. */
SUSPENDS static int add_run(struct wave *wave, const struct batch_new_line *row,
                            struct batch_ask *ask, struct failure *failure)
{
    struct batch_task *task = wave->task;
    size_t at = wave->rows.makings_count;
    struct store store = task->store;
    struct trace_context trace;
    bool traced = batch_span_line(task, row->run, &trace);
    const struct batch_run_ask asked = {ask->body, row->run, traced ? &trace : NULL};
    int r;

    store.arena = &wave->arena;
    store.limits = &task->batches->options.limits;
    wave->drafts[at].alone = false;
    r = batch_ask_prepare(task, &store, &asked, &wave->drafts[at], &wave->kept[at], failure);
    if (r < 0 || wave->drafts[at].alone) {
        json_free(wave->kept[at]);
        return r < 0 && batch_ask_is_refused(failure) ? r : 0;
    }
    wave->parsed[at] = ask->line;
    ask->line = NULL;
    wave->makings[at] = (struct run_making){.tenant = task->row.tenant,
                                            .draft = &wave->drafts[at].run,
                                            .new_thread = &wave->drafts[at].thread};
    wave->bytes += run_making_bytes(&wave->makings[at]);
    wave->rows.makings_count++;
    return 0;
}

/* Returns 0; -E_INVALID with *failure: the line is refused; or -E_LIMIT. */
SUSPENDS static int add_line(struct wave *wave, const struct batch_input *input,
                             const struct batch_input_line *line, struct batch_ask *ask,
                             struct failure *failure, struct error *err)
{
    struct batch_task *task = wave->task;
    struct batch_new_line *row = &wave->lines[wave->rows.count];

    *row = (struct batch_new_line){
        .line = line->line,
        .at_byte = line->at_byte,
        .bytes = batch_input_at(input) - line->at_byte,
        .run = uuid_new(),
        .custom_id = copy_of(wave, ask->custom_id),
    };
    row->shard = row->run.bytes[15] % task->batches->options.shards;
    if (task->endpoint->kind)
        add_call(wave, row, ask);
    else if (add_run(wave, row, ask, failure) < 0)
        return -E_INVALID;
    if (!row->custom_id.ptr || (task->endpoint->kind && !row->spec.ptr))
        return no_room(err);
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
    if (r == 0)
        r = add_line(wave, input, line, &ask, &failure, err);
    if (r < 0 && failure.status >= 500) {
        r = error_set(err, E_UNAVAILABLE, "a line can't be judged now: %s", failure.cause);
    } else if (r < 0 && failure.status > 0) {
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
        .makings = wave->makings,
        .limits = &task->batches->options.limits,
    };
    arena_init(&wave->arena, 0);
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
    task->left += (int64_t)wave->rows.count;
    task->batches->lines_begun += wave->rows.count;
    task->batches->lines_failed += (uint64_t)wave->rows.refused;
    return 0;
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
    struct batch_left left;
    int64_t room;
    int r;

    task->begun = 0;
    r = batch_lines_left(task->store.pg, task->hold.id, &left, err);
    if (r < 0)
        return r;
    task->left = left.count;
    room = batch_task_at_end(task) ? 0 : at_work_max(task) - left.count;
    if (room <= 0 && left.unmade == 0)
        return 0;
    r = batch_task_input(task, err);
    if (r == FILE_MISSING)
        return batch_task_lose_input(task, err);
    if (r == 0 && left.unmade > 0)
        r = batch_task_make_left(task, err);
    while (r == 0 && room > 0 && !batch_task_at_end(task)) {
        int64_t before = task->row.at_byte;

        r = begin_wave(task, room < BATCH_WAVE_MAX ? room : BATCH_WAVE_MAX, err);
        room -= BATCH_WAVE_MAX;
        if (r == 0 && task->row.at_byte == before)
            break;
    }
    return r == -E_NOT_FOUND ? batch_task_lose_input(task, err) : r;
}
