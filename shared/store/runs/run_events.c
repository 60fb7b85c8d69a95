/* Who is to know what became of runs. */

#include "shared/store/runs/run_events.h"

#include "shared/store/runs/runs.h"

void run_events_ready(const struct run_events *events, struct uuid tenant, const struct run *run)
{
    if (events->run_ready)
        events->run_ready(run->id, tenant, run->shard, (int)run->priority, events->arg);
}

void run_events_cancelling(const struct run_events *events, int64_t worker, struct uuid run)
{
    if (worker && events->run_cancelling)
        events->run_cancelling(worker, run, events->arg);
}

void run_events_settled(const struct run_events *events, struct uuid run)
{
    if (events->run_settled)
        events->run_settled(run, events->arg);
}

void run_events_changed(const struct run_events *events, struct uuid run)
{
    if (events->run_changed)
        events->run_changed(run, events->arg);
}

void run_events_thread_gone(const struct run_events *events, struct uuid thread)
{
    if (events->thread_gone)
        events->thread_gone(thread, events->arg);
}

void run_events_cancelled(const struct run_events *events, const struct run *run)
{
    if (run->status == RUN_CANCELLING)
        run_events_cancelling(events, run->owner, run->id);
    else if (run->status == RUN_CANCELLED)
        run_events_settled(events, run->id);
}

void run_events_thread_deleted(const struct run_events *events, struct uuid thread,
                               const struct run_stopped *stopped)
{
    run_events_cancelling(events, stopped->owner, stopped->id);
    run_events_thread_gone(events, thread);
    if (!uuid_is_zero(stopped->id))
        run_events_settled(events, stopped->id);
}
