/* The output becomes files. Their ids follow from the batch's, so that a scheduler that dies
 * between a file and the batch's end leaves no second one. */

#include <stdio.h>

#include "scheduler/batches/batch_task.h"
#include "scheduler/batches/batches_internal.h"
#include "shared/base/error.h"
#include "shared/blob/blob.h"
#include "shared/store/files/files.h"

enum { FILE_OUTPUT = 1, FILE_ERRORS = 2 };

/* The rest of the chunks, behind the first of them. */
SUSPENDS static int write_chunks(struct batch_task *task, bool of_error, struct text lines,
                                 int64_t chunk, struct blob_draft *draft, struct error *err)
{
    struct store store = task->store;
    struct arena arena;
    struct batch row;
    int64_t beside;
    int r = blob_draft_write(draft, lines, err);

    while (r == 0) {
        arena_init(&arena, 0);
        store.arena = &arena;
        r = batch_output(&store, task->hold.id, of_error, chunk, &lines, &chunk, err);
        if (r == 0 && lines.ptr)
            r = blob_draft_write(draft, lines, err);
        if (r == 0 && lines.ptr)
            r = batch_hold(&store, &task->hold, &row, &beside, err);
        arena_deinit(&arena);
        if (!lines.ptr)
            break;
    }
    return r;
}

SUSPENDS static int make_file(struct batch_task *task, struct blob_draft *draft, struct uuid id,
                              bool of_error, bool *out_kept, struct error *err)
{
    struct blob_content content;
    struct new_file file = {.id = id, .purpose = TEXT("batch_output")};
    char batch[ID_TEXT_SIZE];
    char name[ID_TEXT_SIZE + 16];
    struct file made;
    bool spare = true;
    int r = blob_draft_finish(draft, &content, err);

    if (r != 0)
        return r;
    id_format(ID_BATCH, task->hold.id, batch);
    (void)snprintf(name, sizeof(name), "%s_%s.jsonl", batch, of_error ? "error" : "output");
    content.quota = INT64_MAX; /* it was bought by the lines */
    file.filename = text_of(name);
    file.seconds = task->row.output_seconds;
    r = file_create(&task->store, &file, &content, &made, &spare, err);
    *out_kept = r == 0 && !spare;
    return r;
}

/* *out: zero where there is nothing to be written. */
SUSPENDS static int write_file(struct batch_task *task, bool of_error, struct uuid *out,
                               struct error *err)
{
    struct uuid id = uuid_derived(task->hold.id, of_error ? FILE_ERRORS : FILE_OUTPUT);
    struct blob_draft *draft = NULL;
    struct file there;
    struct text lines;
    int64_t chunk;
    bool kept = false;
    int r = file_get(&task->store, id, &there, err);

    *out = id;
    if (r == 0 || r < 0)
        return r;
    r = batch_output(&task->store, task->hold.id, of_error, 0, &lines, &chunk, err);
    if (r == 0 && !lines.ptr) {
        *out = (struct uuid){{0}};
        return 0;
    }
    if (r == 0)
        r = blob_draft_begin(task->batches->options.blobs, task->store.tenant, &draft, err);
    if (r == 0)
        r = write_chunks(task, of_error, lines, chunk, draft, err);
    if (r == 0)
        r = make_file(task, draft, id, of_error, &kept, err);
    blob_draft_end(draft, kept);
    if (r > 0 && r != BATCH_LOST)
        return error_set(err, E_UNAVAILABLE, "a file of a batch was given up while it was written");
    return r;
}

int batch_task_finish(struct batch_task *task, struct error *err)
{
    struct uuid output;
    struct uuid errors;
    int r;

    r = write_file(task, false, &output, err);
    if (r == 0)
        r = write_file(task, true, &errors, err);
    if (r == 0)
        r = batch_end(task->store.pg, &task->hold, output, errors, err);
    if (r == 0)
        task->batches->completed++;
    return r;
}
