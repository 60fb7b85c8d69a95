#pragma once
/* What becomes of runs outside the database, for those in the process who must know at once. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"

struct run;
struct run_stopped;

/* Called in the asking fiber after the commit; none may suspend. Any may be NULL. */
struct run_events {
    void (*run_ready)(struct uuid run, struct uuid tenant, int shard, int priority, void *arg);
    /* A worker has a run in hand that it should stop (or that is gone). */
    void (*run_cancelling)(int64_t worker, struct uuid run, void *arg);
    /* It has come to its end without a worker, or is gone. */
    void (*run_settled)(struct uuid run, void *arg);
    /* Its metadata is different now. */
    void (*run_changed)(struct uuid run, void *arg);
    /* The thread and all its runs are gone. */
    void (*thread_gone)(struct uuid thread, void *arg);
    void *arg;
};

/* As the members say, where there is one. */
void run_events_ready(const struct run_events *events, struct uuid tenant, const struct run *run);
void run_events_cancelling(const struct run_events *events, int64_t worker, struct uuid run);
void run_events_settled(const struct run_events *events, struct uuid run);
void run_events_changed(const struct run_events *events, struct uuid run);
void run_events_thread_gone(const struct run_events *events, struct uuid thread);

/* What runs_cancel made of it. */
void run_events_cancelled(const struct run_events *events, const struct run *run);

/* What threads_delete took along. */
void run_events_thread_deleted(const struct run_events *events, struct uuid thread,
                               const struct run_stopped *stopped);
