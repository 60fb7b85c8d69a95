/* Answers of lines whose runs have ended. They are read, written to the output and taken off the
 * batch's lines a hundred at a time, or fewer where they are long, so what is held of them has a
 * bound: the counts need no row that runs would write to. */

#include "scheduler/api/openai/batch_line.h"
#include "scheduler/api/openai/responses/response_lines.h"
#include "scheduler/api/openai/responses/response_output.h"
#include "scheduler/batches/batch_answer.h"
#include "scheduler/batches/batch_task.h"
#include "scheduler/batches/batches_internal.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/store/batches/batch_runs.h"
#include "shared/store/fleet/erasures.h"

#define COLLECT_LINES  100
#define COLLECT_BYTES  ((int64_t)4 << 20) /* and one line more */
#define COLLECT_ROUNDS 10                 /* then the next stage has its turn */

#define COLLECT_OUTPUT ((size_t)32 << 20) /* then the others are left for the next time */

#define RESPONSE_BYTES_MAX ((size_t)2 << 20)
#define RUN_BYTES_MAX      ((size_t)8 << 20) /* its text stands in it twice, and escaped */
#define READ_BYTES_MAX     ((int64_t)2 * (int64_t)RUN_BYTES_MAX) /* one above is not even read */

struct collection {
    struct batch_task *task;
    struct batch_lines lines;
    struct batch_run *runs; /* of agents */
    size_t runs_count;
    struct uuid erased[COLLECT_LINES];
    size_t erased_count;
    struct buf output;
    struct buf errors;
    int64_t numbers[COLLECT_LINES];
    int64_t completed;
    struct usage used;
};

static void collection_deinit(struct collection *collection)
{
    buf_deinit(&collection->output);
    buf_deinit(&collection->errors);
}

static bool is_beyond(const struct batch_line *line)
{
    return line->answer_bytes > READ_BYTES_MAX;
}

SUSPENDS static int read_runs(struct collection *collection, struct error *err)
{
    struct batch_task *task = collection->task;
    struct uuid ids[COLLECT_LINES];
    struct batch_runs_ask ask = {.ids = ids, .whole = task->endpoint->responses};

    if (task->endpoint->kind)
        return 0;
    for (size_t i = 0; i < collection->lines.count; i++)
        if (!collection->lines.items[i].gone && !is_beyond(&collection->lines.items[i]))
            ids[ask.count++] = collection->lines.items[i].run_id;
    if (ask.count == 0)
        return 0;
    return batch_runs_read(&task->store, &ask, &collection->runs, &collection->runs_count, err);
}

static const struct batch_run *find_run(const struct collection *collection, struct uuid id)
{
    for (size_t i = 0; i < collection->runs_count; i++)
        if (uuid_equal(collection->runs[i].run.id, id))
            return &collection->runs[i];
    return NULL;
}

/* It never had an answer, and why. */
static void add_never(struct collection *collection, const struct batch_line *line)
{
    struct buf *out = &collection->errors;
    const char *word =
        text_is(collection->task->row.ending, "expired") ? "batch_expired" : "batch_cancelled";

    if (line->gone)
        batch_answer_never(out, line->run_id, line->custom_id, "run_deleted",
                           "The run of this line was deleted.");
    else if (line->status == RUN_EXPIRED)
        batch_answer_never(out, line->run_id, line->custom_id, "batch_expired",
                           "This line could not be answered before its time was over.");
    else
        batch_answer_never(out, line->run_id, line->custom_id, word,
                           "This line was not answered: its run was cancelled.");
}

static void add_too_large(struct collection *collection, const struct batch_line *line)
{
    bool response = collection->task->endpoint->responses;
    struct failure failure = {0};

    failure_param(&failure, 500, NULL, "reply_too_large",
                  "The answer has more than %zu bytes. It is there: GET /v1/%s shows it.",
                  response ? RESPONSE_BYTES_MAX : RUN_BYTES_MAX,
                  response ? "responses" : "threads");
    batch_answer_failure(&collection->errors, line->run_id, line->custom_id, &failure);
}

/* What is not to be stored goes when its answer is in the output. */
SUSPENDS static void add_response(struct collection *collection, const struct batch_line *line,
                                  const struct batch_run *run)
{
    const struct response_words words = {run->messages, run->messages_count, run->thoughts};
    CLEANUP(buf_deinit) struct buf shown;
    struct error err;
    int r;

    buf_init(&shown, RESPONSE_BYTES_MAX);
    r = response_line_write(&run->run, &words, collection->task->store.arena, &shown, &err);
    if (response_line_erases(&run->run))
        collection->erased[collection->erased_count++] = run->run.thread_id;
    if (r < 0 || shown.failed)
        add_too_large(collection, line);
    else
        collection->completed += batch_answer_shown(&collection->output, &collection->errors,
                                                    &run->run, line->custom_id, buf_text(&shown));
}

static void add_run(struct collection *collection, const struct batch_line *line,
                    const struct batch_run *run)
{
    CLEANUP(buf_deinit) struct buf answer;
    bool done;

    buf_init(&answer, RUN_BYTES_MAX);
    done = batch_answer_run(&answer, &answer, run, line->custom_id);
    if (answer.failed) {
        add_too_large(collection, line);
        return;
    }
    buf_add_text(done ? &collection->output : &collection->errors, buf_text(&answer));
    collection->completed += done;
}

/* A run of one call without a result: what it would have been could not be stored, or it was never
 * as it must be. */
static void add_bare(struct collection *collection, const struct batch_line *line)
{
    struct failure failure = {0};

    failure_param(&failure, 500, NULL, "server_error", "%.*s",
                  line->last_error.ptr ? (int)line->last_error.len : 0,
                  line->last_error.ptr ? line->last_error.ptr : "");
    batch_answer_failure(&collection->errors, line->run_id, line->custom_id, &failure);
}

static void add_call(struct collection *collection, const struct batch_line *line)
{
    bool done = line->status == RUN_COMPLETED;

    if (!line->result.ptr) {
        add_bare(collection, line);
        return;
    }
    batch_answer_response(done ? &collection->output : &collection->errors, line->run_id,
                          line->custom_id, line->result);
    collection->completed += done;
}

SUSPENDS static void add_line(struct collection *collection, const struct batch_line *line)
{
    const struct batch_run *run = find_run(collection, line->run_id);
    const struct batch_endpoint *endpoint = collection->task->endpoint;

    usage_add(&collection->used, &line->used);
    if (line->gone || line->status == RUN_CANCELLED || line->status == RUN_EXPIRED)
        add_never(collection, line);
    else if (endpoint->kind)
        add_call(collection, line);
    else if (is_beyond(line))
        add_too_large(collection, line);
    else if (!run) /* it was deleted in that moment */
        add_never(collection, &(struct batch_line){.run_id = line->run_id,
                                                   .custom_id = line->custom_id,
                                                   .gone = true});
    else if (endpoint->responses)
        add_response(collection, line, run);
    else
        add_run(collection, line, run);
}

static bool is_full(const struct collection *collection)
{
    return collection->output.len + collection->errors.len > COLLECT_OUTPUT;
}

/* What was not to be stored is shown, and goes. Where that fails the sweep finds it. */
SUSPENDS static void erase(struct collection *collection)
{
    struct error err;

    for (size_t i = 0; i < collection->erased_count; i++)
        if (threads_erase(&collection->task->store, collection->erased[i], &err) < 0)
            log_debug("a response of a batch could not be erased", LOG_ERROR(&err));
}

SUSPENDS static int settle(struct collection *collection, struct error *err)
{
    struct batch_task *task = collection->task;
    struct batch_answers answers = {.lines = collection->numbers};
    int r;

    for (size_t i = 0; i < collection->lines.count && !is_full(collection); i++) {
        add_line(collection, &collection->lines.items[i]);
        collection->numbers[answers.count++] = collection->lines.items[i].line;
    }
    answers.completed = collection->completed;
    answers.used = collection->used;
    answers.erased = collection->erased;
    answers.erased_count = collection->erased_count;
    answers.output = buf_text(&collection->output);
    answers.errors = buf_text(&collection->errors);
    r = buf_check(&collection->output, err);
    if (r == 0)
        r = buf_check(&collection->errors, err);
    if (r == 0)
        r = batch_settle(task->store.pg, &task->hold, &answers, err);
    if (r != 0)
        return r;
    erase(collection);
    task->collected += (int64_t)answers.count;
    task->batches->lines_completed += (uint64_t)answers.completed;
    task->batches->lines_failed += answers.count - (uint64_t)answers.completed;
    return 0;
}

/* As many as one reading gives: there may be others. */
static bool may_have_more(const struct collection *collection)
{
    int64_t bytes = 0;

    for (size_t i = 0; i < collection->lines.count; i++)
        bytes += collection->lines.items[i].answer_bytes;
    return collection->lines.count == COLLECT_LINES || bytes >= COLLECT_BYTES ||
           is_full(collection);
}

SUSPENDS static int collect_some(struct batch_task *task, bool *out_more, struct error *err)
{
    CLEANUP(collection_deinit) struct collection collection = {.task = task};
    int r;

    buf_init(&collection.output, (size_t)64 << 20);
    buf_init(&collection.errors, (size_t)64 << 20);
    r = batch_lines_ended(&task->store, task->hold.id,
                          &(struct batch_lines_ask){.limit = COLLECT_LINES,
                                                    .bytes = COLLECT_BYTES,
                                                    .whole = task->endpoint->responses},
                          &collection.lines, err);
    *out_more = false;
    if (r < 0 || collection.lines.count == 0)
        return r;
    r = read_runs(&collection, err);
    if (r == 0)
        r = settle(&collection, err);
    *out_more = may_have_more(&collection);
    return r;
}

int batch_task_collect(struct batch_task *task, struct error *err)
{
    struct arena arena = {0};
    struct store store = task->store;
    bool more = true;
    int r = 0;

    task->collected = 0;
    for (int i = 0; r == 0 && more && i < COLLECT_ROUNDS; i++) {
        arena_init(&arena, 0);
        task->store.arena = &arena;
        r = collect_some(task, &more, err);
        task->store = store;
        arena_deinit(&arena);
    }
    return r;
}
