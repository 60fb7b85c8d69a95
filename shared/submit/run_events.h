#pragma once
/* What becomes of runs outside the database, for those in the process who must know at once. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"

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
