#pragma once
/* Ended runs as clients were shown them lately, so that showing them again asks no database: when
 * many wait for the same run, and when somebody polls a run that is over.
 *
 * Why nobody is shown an older state than he may see:
 *
 *   - Only runs are kept whose end is final: completed, incomplete and cancelled ones. What failed
 *     or expired may be redriven.
 *   - Two things can still change of such a run: its metadata, and that it is there (its thread is
 *     deleted, and it with it). Both are done by a scheduler, which forgets the run here as soon as
 *     the change is committed, before it answers. So through one scheduler a client always sees
 *     what it has changed.
 *   - A read that began before the change and is kept after it would bring the old state back. So
 *     who reads takes a stamp before it asks the database, and what was read is not kept when
 *     something was forgotten since.
 *   - Other schedulers are told over Redis, and forget it some milliseconds later. Redis may be
 *     away: so nothing is shown for longer than ENDED_RUN_MS after it was read. That is the most
 *     that another scheduler is behind.
 *
 * Whose run it is is checked each time, as is the thread that the path names. Entries are few and
 * small: at most ENDED_RUNS of ENDED_RUN_BYTES_MAX each.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/store/runs/runs.h"

#define ENDED_RUNS          2048
#define ENDED_RUN_BYTES_MAX 8192
#define ENDED_RUN_MS        3000

struct ended_runs;

struct ended_runs *ended_runs_new(void);
void ended_runs_free(struct ended_runs *ended); /* accepts NULL */

/* To be taken before the run is read. */
uint64_t ended_runs_stamp(const struct ended_runs *ended);

/* Keeps what a client is shown of the run, which was read at now_ms or later, if it may be kept. */
void ended_runs_keep(struct ended_runs *ended, uint64_t stamp, struct uuid tenant,
                     const struct run *run, struct text json, int64_t now_ms);

/* What a client is shown of the tenant's run; `thread` zero: whatever its thread. TEXT_NONE: it is
 * not known here. Borrowed until the next call or suspension. */
struct text ended_runs_find(struct ended_runs *ended, struct uuid tenant, struct uuid thread,
                            struct uuid run, int64_t now_ms);

/* It is different now, or gone. */
void ended_runs_forget(struct ended_runs *ended, struct uuid run);
void ended_runs_forget_thread(struct ended_runs *ended, struct uuid thread);
