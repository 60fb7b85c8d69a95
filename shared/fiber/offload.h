#pragma once
/* Small pools of threads: for what can't be asynchronous (name resolution), where what others have
 * chosen has a pool of its own, and for what would hold the loop for milliseconds (the JSON of
 * large bodies).
 *
 * A job is heap memory that the caller hands over. run() executes on a pool thread and touches
 * nothing but the job. When the caller's wait ends early (time-out, cancel) the job is abandoned:
 * the pool frees it with free_job after run() returned. When offload_run returns 0, the job is the
 * caller's again.
 */

#include "shared/base/compiler.h"

struct error;

struct offload_job {
    void (*run)(struct offload_job *job);
    void (*free_job)(struct offload_job *job);
    bool foreign;                /* a model or a user has a say in how long it takes */
    struct offload_entry *entry; /* the pool's */
};

/* Returns 0 when run() has returned; -E_TIMEOUT or -E_CANCELED (abandoned: do not touch the job);
 * -E_LIMIT when more than 1,024 jobs wait already, -E_UNAVAILABLE when the system gives no thread
 * (both: abandoned too). Threads start on first use. */
SUSPENDS MUSTCHECK int offload_run(struct offload_job *job, int64_t deadline_ms, struct error *err);

/* What goes through so many bytes holds the loop for a good part of a millisecond. */
#define OFFLOAD_LARGE_BYTES ((size_t)64 << 10)

/* Calls work(arg), which goes through `bytes` bytes, and returns when it has returned: on a thread
 * where they are many, so that the loop stands still for nobody's megabytes; here where they are
 * few, or where no thread is to be had. Nothing interrupts it. work() touches nothing that others
 * may touch meanwhile, and draws no ids. */
SUSPENDS void offload_large(size_t bytes, void (*work)(void *arg), void *arg);

/* Calls work(arg), which waits for a disk, on a thread of a pool for that, and returns when it has
 * returned: nothing interrupts it. Without a thread it is done here. The rules of offload_large
 * hold. */
SUSPENDS void offload_disk(void (*work)(void *arg), void *arg);

/* Waits for running jobs and ends the threads. Before loop_run returns, or never. */
SUSPENDS void offload_stop(void);
