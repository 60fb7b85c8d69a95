#pragma once
/* What a memory run that makes vectors is told. */

#include "shared/base/compiler.h"
#include "shared/store/runs/memory_runs.h"

struct run_task;

/* The run of a job; `below`: a position, 0: none is said. `about` lives in the task's arena, as
 * what *out points to. False: that is full. */
bool vectors_spec_write(struct run_task *task, const char *job, int64_t below, const char *about,
                        struct memory_run *out);
