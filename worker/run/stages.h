#pragma once
/* The stages of runs. Each takes what the one before left in the parts of the task, and
 * none calls another: the files of worker/kinds say in which order they come.
 *
 *   equip    tools that servers have -> the toolbox
 *   resume   the thread's messages -> conversation; calls that an earlier attempt left -> ledger
 *   recollect  what is known of the user -> instructions
 *   look     a run that is to answer what is new ends where nothing is
 *   sum_up   a summary of old messages that is wanted and not there -> conversation
 *   act      the ledger's calls -> executed, recorded, told to the conversation
 *   pause    a worker that leaves, or has no room for what the run has gathered, hands it back
 *   hear     what was said meanwhile -> conversation
 *   see      images that messages name by their file -> conversation
 *   think    budgets, then a model call with its retries -> reply
 *   answer   the reply -> the end of the run, or calls in the ledger
 *
 * and of a run of one call:
 *
 *   admit    room for what it asks
 *   give     the reply -> the run's result, which is its end
 *
 * and of a memory run:
 *
 *   gather   what its job is about -> what is asked
 *   keep     the reply -> what is stored, and the end
 *
 * Each returns an enum run_next (ending.h), or a negative error.
 */

#include "shared/base/compiler.h"

struct error;
struct run_task;

SUSPENDS MUSTCHECK int stage_equip(struct run_task *task, struct error *err);
SUSPENDS MUSTCHECK int stage_resume(struct run_task *task, struct error *err);
SUSPENDS MUSTCHECK int stage_recollect(struct run_task *task, struct error *err);
SUSPENDS MUSTCHECK int stage_look(struct run_task *task, struct error *err);
SUSPENDS MUSTCHECK int stage_sum_up(struct run_task *task, struct error *err);
SUSPENDS MUSTCHECK int stage_act(struct run_task *task, struct error *err);
MUSTCHECK int stage_pause(struct run_task *task, struct error *err);
SUSPENDS MUSTCHECK int stage_hear(struct run_task *task, struct error *err);
SUSPENDS MUSTCHECK int stage_see(struct run_task *task, struct error *err);
SUSPENDS MUSTCHECK int stage_think(struct run_task *task, struct error *err);
SUSPENDS MUSTCHECK int stage_admit(struct run_task *task, struct error *err);
SUSPENDS MUSTCHECK int stage_give(struct run_task *task, struct error *err);
SUSPENDS MUSTCHECK int stage_gather(struct run_task *task, struct error *err);
SUSPENDS MUSTCHECK int stage_keep(struct run_task *task, struct error *err);
MUSTCHECK int stage_answer(struct run_task *task, struct error *err);
