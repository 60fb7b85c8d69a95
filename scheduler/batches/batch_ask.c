#include "scheduler/batches/batch_ask.h"

#include "scheduler/api/openai/batch_line.h"
#include "scheduler/api/openai/responses/response_lines.h"
#include "scheduler/batches/batches_internal.h"

static struct submission submission_of(const struct batch_run_ask *ask)
{
    json_object_object_add(ask->body, "priority", json_object_new_string("low"));
    return (struct submission){
        .request = ask->body,
        .id = ask->run,
        .ends_at_calls = true,
        .made_in = ask->made_in,
    };
}

int batch_ask_prepare(struct batch_task *task, const struct store *store,
                      const struct batch_run_ask *ask, struct submit_draft *out,
                      struct json_object **out_kept, struct failure *failure)
{
    struct batches *batches = task->batches;
    struct submission submission;

    *out_kept = NULL;
    if (!task->endpoint->responses) {
        submission = submission_of(ask);
        return submit_prepare(batches->submitter, store, &submission, out, failure);
    }
    return response_line_prepare(batches->responses, store,
                                 &(struct response_ask){ask->body, ask->run, ask->made_in}, out,
                                 out_kept, failure);
}

int batch_ask_submit(struct batch_task *task, const struct store *store,
                     const struct batch_run_ask *ask, struct failure *failure)
{
    struct batches *batches = task->batches;
    struct submission submission;
    struct submitted submitted;

    if (task->endpoint->responses)
        return response_line_submit(batches->responses, store,
                                    &(struct response_ask){ask->body, ask->run, ask->made_in},
                                    failure);
    submission = submission_of(ask);
    return submit(batches->submitter, store, &submission, &submitted, failure);
}

bool batch_ask_is_refused(const struct failure *failure)
{
    return failure->status < 500 && failure->status != 429;
}
