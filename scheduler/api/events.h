#pragma once
/* What the API tells the rest of its process. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"

/* Called in the request's fiber after the commit; none may suspend. Any may be NULL. */
struct api_events {
    void (*run_ready)(struct uuid run, struct uuid tenant, int shard, int priority, void *arg);
    /* A worker has a run in hand that it should stop (or that is gone). */
    void (*run_cancelling)(int64_t worker, struct uuid run, void *arg);
    void *arg;
};
