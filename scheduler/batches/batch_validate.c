/* Validation: all lines are looked at before the first is begun, and what is wrong is told with the
 * number of its line. Ids that come twice are found by 64 bits of their digest with a key of this
 * process: 8 bytes a line, in a table that grows to 16 MiB for a million of them. */

#include <stdio.h>
#include <stdlib.h>

#include "scheduler/api/openai/batch_line.h"
#include "scheduler/batches/batch_input.h"
#include "scheduler/batches/batch_task.h"
#include "scheduler/batches/batches_internal.h"
#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/json/json_write.h"

#define FAULTS_MAX    100
#define ERRORS_BYTES  ((size_t)128 << 10)
#define YIELD_LINES   32
#define HOLD_EVERY_MS (BATCH_LEASE_MS / 4)

/* A set of numbers other than 0, half full at most. */
struct id_set {
    uint64_t *slots;
    size_t size; /* a power of two */
    size_t count;
};

static bool add_to(uint64_t *slots, size_t size, uint64_t number)
{
    size_t at = (size_t)number & (size - 1);

    while (slots[at] != 0 && slots[at] != number)
        at = (at + 1) & (size - 1);
    if (slots[at] == number)
        return false;
    slots[at] = number;
    return true;
}

/* False: it is in it already. */
static bool id_set_add(struct id_set *set, uint64_t number)
{
    if (set->count * 2 >= set->size) {
        size_t size = set->size ? set->size * 2 : 1024;
        uint64_t *slots = xcalloc(size, sizeof(*slots));

        for (size_t i = 0; i < set->size; i++)
            if (set->slots[i] != 0)
                (void)add_to(slots, size, set->slots[i]);
        free(set->slots);
        set->slots = slots;
        set->size = size;
    }
    if (!add_to(set->slots, set->size, number ? number : 1))
        return false;
    set->count++;
    return true;
}

struct validation {
    struct batch_task *task;
    struct id_set ids;
    uint8_t key[16];
    struct buf errors; /* JSON array, open */
    struct json_write write;
    size_t faults;
    int64_t lines;
    char model[128];
    int64_t held_ms;
};

static void validation_deinit(struct validation *validation)
{
    free(validation->ids.slots);
    buf_deinit(&validation->errors);
}

static void add_fault(struct validation *validation, const struct batch_fault *fault, int64_t line)
{
    struct json_write *write = &validation->write;

    if (validation->faults++ >= FAULTS_MAX)
        return;
    json_write_open_object(write, NULL);
    json_write_string(write, "code", fault->code);
    json_write_string(write, "message", fault->message);
    json_write_string(write, "param", fault->param);
    if (line > 0)
        json_write_int(write, "line", line);
    else
        json_write_null(write, "line");
    json_write_close(write);
}

static bool is_new(struct validation *validation, struct text id)
{
    uint8_t digest[SHA256_BYTES];
    uint64_t number;

    hmac_sha256((struct text){(const char *)validation->key, sizeof(validation->key)}, id, digest);
    memcpy(&number, digest, sizeof(number));
    return id_set_add(&validation->ids, number);
}

static void look_at(struct validation *validation, const struct batch_input_line *line)
{
    struct batch_fault fault = {.code = "invalid_json_line"};
    struct batch_ask ask = {.line = NULL};
    struct text model;
    int r = -E_INVALID;

    validation->lines++;
    if (line->too_long)
        (void)snprintf(fault.message, sizeof(fault.message), "This line is longer than %zu bytes.",
                       BATCH_LINE_BYTES_MAX);
    else
        r = batch_line_read(line->text, validation->task->endpoint, &ask, &fault);
    if (r == 0 && !is_new(validation, ask.custom_id)) {
        char shown[100];

        text_excerpt(ask.custom_id, shown, sizeof(shown));
        fault = (struct batch_fault){.code = "duplicate_custom_id", .param = "custom_id"};
        (void)snprintf(fault.message, sizeof(fault.message),
                       "The custom_id '%s' was used on an earlier line.", shown);
        r = -E_INVALID;
    }
    model = json_get_text(ask.body, "model");
    if (model.ptr && validation->model[0] == 0)
        text_excerpt(model, validation->model, sizeof(validation->model));
    if (r < 0)
        add_fault(validation, &fault, line->line);
    json_free(ask.line);
}

/* Others have their turn, and the lease is kept. */
SUSPENDS static int rest(struct validation *validation, struct error *err)
{
    struct batch_task *task = validation->task;

    if (validation->lines % YIELD_LINES != 0)
        return 0;
    fiber_yield();
    if (clock_ms() - validation->held_ms < HOLD_EVERY_MS)
        return 0;
    validation->held_ms = clock_ms();
    arena_deinit(&task->arena);
    arena_init(&task->arena, 0);
    return batch_hold(&task->store, &task->hold, &task->row, &task->beside, err);
}

/* Returns 0, also when it was cancelled meanwhile; BATCH_LOST; or a failure. */
SUSPENDS static int look_through(struct validation *validation, struct batch_input *input,
                                 struct error *err)
{
    struct batch_task *task = validation->task;
    struct batch_input_line line;
    int r = 0;

    while (r == 0 && validation->lines <= task->endpoint->lines_max) {
        r = batch_input_next(input, &line, err);
        if (r == 0)
            look_at(validation, &line);
        if (r == 0)
            r = rest(validation, err);
        if (r == 0 && !text_is(task->row.state, "validating"))
            return BATCH_LOST;
    }
    return r == BATCH_INPUT_END ? 0 : r;
}

static void look_at_count(struct validation *validation)
{
    const struct batch_endpoint *endpoint = validation->task->endpoint;
    struct batch_fault fault = {.code = "empty_file"};

    if (validation->lines == 0) {
        (void)snprintf(fault.message, sizeof(fault.message), "The input file is empty.");
        add_fault(validation, &fault, 0);
    } else if (validation->lines > endpoint->lines_max) {
        fault.code = "too_many_tasks";
        (void)snprintf(fault.message, sizeof(fault.message),
                       "The input has more than %lld lines, which is the limit for %s.",
                       (long long)endpoint->lines_max, endpoint->url);
        add_fault(validation, &fault, 0);
    }
}

SUSPENDS static int conclude(struct validation *validation, struct error *err)
{
    struct batch_task *task = validation->task;
    int64_t lines = validation->lines;

    look_at_count(validation);
    json_write_close(&validation->write);
    if (validation->faults == 0)
        return batch_begin(task->store.pg, &task->hold, lines, task->input.blob.bytes,
                           text_of(validation->model), err);
    return batch_refuse(task->store.pg, &task->hold, buf_text(&validation->errors), err);
}

SUSPENDS static int refuse_input(struct batch_task *task, struct error *err)
{
    return batch_refuse(
        task->store.pg, &task->hold,
        TEXT("[{\"code\":\"invalid_input_file\",\"message\":\"The input file is not "
             "there any more.\",\"param\":\"input_file_id\",\"line\":null}]"),
        err);
}

int batch_task_validate(struct batch_task *task, struct error *err)
{
    CLEANUP(validation_deinit) struct validation validation = {.task = task};
    struct batch_input input;
    int r = batch_task_input(task, err);

    if (r == FILE_MISSING)
        return refuse_input(task, err);
    if (r < 0)
        return r;
    validation.held_ms = clock_ms();
    random_bytes(validation.key, sizeof(validation.key));
    buf_init(&validation.errors, ERRORS_BYTES);
    json_write_init(&validation.write, &validation.errors);
    json_write_open_array(&validation.write, NULL);
    batch_input_open(&input, task->batches->options.blobs, &task->input.blob, 0, 0);
    r = look_through(&validation, &input, err);
    batch_input_close(&input);
    if (r == -E_NOT_FOUND)
        return refuse_input(task, err);
    return r == 0 ? conclude(&validation, err) : r;
}
