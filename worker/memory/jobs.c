/* The table of jobs, and what all of them share. */

#include "worker/memory/job.h"

#include <string.h>

#include "shared/base/error.h"
#include "shared/json/json_write.h"

/* NULL ends it. */
static const struct memory_job *const jobs[] = {
    &memory_job_learn, &memory_job_vectors, &memory_job_memory_vectors, &memory_job_summary, NULL,
};

static const struct memory_job *find(struct text name)
{
    for (size_t i = 0; jobs[i]; i++)
        if (text_is(name, jobs[i]->name))
            return jobs[i];
    return NULL;
}

static int read_job(struct memory_work *work, struct error *err)
{
    struct text name = json_get_text(work->spec, "job");

    work->job = find(name);
    return work->job ? 0
                     : error_set(err, E_INVALID,
                                 "this worker knows no job '%.*s'; a newer version of "
                                 "penstock-worker may",
                                 TEXT_ARGS(name));
}

int memory_work_read(struct run_task *task, struct text spec, struct error *err)
{
    int r = setup_parse(spec, &task->arena, &task->setup, err);

    if (r < 0)
        return r;
    task->memory = arena_calloc(&task->arena, 1, sizeof(*task->memory));
    if (!task->memory)
        return error_set(err, E_LIMIT, "the spec is too large for the run's memory");
    r = json_decode(spec, JSON_DEPTH_DEFAULT * 2, &task->memory->spec, err);
    return r < 0 ? error_wrap(err, "the run's spec") : read_job(task->memory, err);
}

void memory_work_free(struct memory_work *work)
{
    if (work)
        json_free(work->spec);
}

int memory_finish(struct run_task *task, const char *outcome, struct text more)
{
    CLEANUP(buf_deinit) struct buf result;
    struct json_write write;

    buf_init(&result, 0);
    json_write_init(&write, &result);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "job", task->memory->job->name);
    json_write_string(&write, "outcome", outcome);
    json_write_close(&write);
    if (more.len > 2) { /* two objects become one */
        result.len--;
        buf_add_char(&result, ',');
        buf_add(&result, more.ptr + 1, more.len - 1);
    }
    (void)ending_completed(&task->ending);
    if (!result.failed)
        task->ending.end.result =
            (struct text){arena_copy(&task->arena, buf_text(&result)), result.len};
    return RUN_FINISH;
}

void memory_follow(struct run_task *task)
{
    struct memory_run follows[MEMORY_FOLLOW_MAX];
    struct run_ending *end = &task->ending.end;
    struct memory_run *kept;
    size_t count = 0;

    for (size_t i = 0; jobs[i]; i++)
        if (count < MEMORY_FOLLOW_MAX && jobs[i]->follows &&
            jobs[i]->follows(task, &follows[count]))
            count++;
    if (count == 0)
        return;
    kept = arena_calloc(&task->arena, count, sizeof(*kept));
    if (!kept) /* the next run is followed by them */
        return;
    memcpy(kept, follows, count * sizeof(*kept));
    end->follows = kept;
    end->follows_count = count;
}
