#pragma once
/* Runs of kind "memory": work behind the runs' backs, so that later ones know more or read less.
 *
 * One works for a thread and in the name of its agent and user, counts on the same budgets, and is
 * of low priority. It is never the thread's active run, and is not listed among the thread's runs.
 * What it is about is a text, such as "summary:thread_…": while one waits for its first start, no
 * other one about the same is made, since it will see all that is there when it starts. So
 * whatever happens makes one, and nobody counts.
 */

#include "shared/store/runs/runs.h"

#define MEMORY_RUN_TTL_S  86400 /* from when it is due */
#define MEMORY_FOLLOW_MAX 4     /* runs that follow one */

/* Whether `r`, which waits, keeps another one about the same from being made. As the index
 * runs_about_waits says it. */
#define SQL_ABOUT_WAITS "about IS NOT NULL AND status = 'queued' AND started_at IS NULL"

/* A memory run to be made. */
struct memory_run {
    struct uuid id; /* the caller's choice */
    struct text about;
    struct text spec; /* JSON object: {"job", "model", …} (worker/memory) */
    int64_t delay_ms; /* due that much later; 0: at once */
};

/* For whom it is made. */
struct memory_run_of {
    struct uuid thread;
    struct uuid agent; /* zero: of nobody; whom its cost is counted for */
    int64_t agent_version;
    struct text user; /* TEXT_NONE: nobody's */
    int shard;
};

/* Makes it, unless one about the same waits; *out is the one or the other, and *out_made says
 * which. THREAD_MISSING. */
SUSPENDS MUSTCHECK int memory_runs_make(const struct store *store, const struct memory_run_of *of,
                                        const struct memory_run *draft, struct run *out,
                                        bool *out_made, struct error *err);

/* Deletes those that have ended and were about the same as this one: what they did is done, and
 * there is never more than one of them for long. */
SUSPENDS MUSTCHECK int memory_runs_sweep(struct pg *pg, struct uuid run, struct error *err);
