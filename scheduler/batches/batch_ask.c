#include "scheduler/batches/batch_ask.h"

#include "scheduler/batches/batches_internal.h"

static struct submission submission_of(const struct batch_run_ask *ask)
{
    json_object_object_add(ask->body, "priority", json_object_new_string("low"));
    return (struct submission){.request = ask->body, .id = ask->run, .ends_at_calls = true};
}

int batch_ask_prepare(struct batches *batches, const struct store *store,
                      const struct batch_run_ask *ask, struct submit_draft *out,
                      struct failure *failure)
{
    struct submission submission = submission_of(ask);

    return submit_prepare(batches->submitter, store, &submission, out, failure);
}

int batch_ask_submit(struct batches *batches, const struct store *store,
                     const struct batch_run_ask *ask, struct failure *failure)
{
    struct submission submission = submission_of(ask);
    struct submitted submitted;

    return submit(batches->submitter, store, &submission, &submitted, failure);
}

bool batch_ask_is_refused(const struct failure *failure)
{
    return failure->status < 500 && failure->status != 429;
}
