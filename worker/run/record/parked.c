#include "worker/run/record/parked.h"

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/store/budgets/budgets.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

#define RECHECK_FROM_MS 10000 /* who waits less looks again soon enough */
#define LOOK_MARGIN_MS  1000

void parked_recheck(struct run_task *task)
{
    const struct spending *spending = &task->spending;
    const struct budget_look look = {
        .ids = spending->ids,
        .count = spending->count,
        .found = spending->found,
        .age_ms = clock_ms() - spending->asked_ms + LOOK_MARGIN_MS,
    };
    struct error err;

    if (task->ending.back.delay_ms < RECHECK_FROM_MS)
        return;
    if (budgets_recheck(task->worker->pg, task->claim.row.lease.run, &look, &err) < 0)
        log_warn("a run that waits for a budget may not notice that it was changed",
                 LOG_ERROR(&err));
}
