#pragma once
/* Programs that a worker starts, by way of its helper process: the worker itself never forks.
 *
 * A helper that dies takes its programs with it; another one is started at once (after a pause
 * where that happens again and again), and those who wait are told.
 */

#include "shared/base/compiler.h"
#include "shared/process/spawn_order.h"

struct error;
struct spawner;
struct spawned;

/* Starts the helper: the program `path`, or NULL: penstock-spawn beside the running program.
 * Returns 0, or -E_NOT_FOUND or -E_SYSTEM. */
MUSTCHECK int spawner_open(const char *path, struct spawner **out, struct error *err);

/* All programs are killed. Nobody may wait for one. Accepts NULL. */
SUSPENDS void spawner_close(struct spawner *spawner);

/* Helpers that were started behind the first one. */
uint64_t spawner_restarts(const struct spawner *spawner);

/* Starts a program; `order->id` is chosen here. Its descriptors stay the caller's. Returns 0 with
 * *out, which is given to spawn_close; -E_SYSTEM or -E_LIMIT with what could not be done; or
 * -E_UNAVAILABLE: there is no helper at the moment. */
SUSPENDS MUSTCHECK int spawn_start(struct spawner *spawner, struct spawn_order *order,
                                   int64_t deadline_ms, struct spawned **out, struct error *err);

/* Waits for its end. -E_UNAVAILABLE: the helper died, and the program with it. */
SUSPENDS MUSTCHECK int spawn_wait(struct spawned *spawned, int64_t deadline_ms,
                                  struct spawn_report *out, struct error *err);

/* Whoever runs of it is killed. */
SUSPENDS void spawn_kill(struct spawned *spawned);

/* Kills what still runs, waits for its end, and frees. Accepts NULL. */
SUSPENDS void spawn_close(struct spawned *spawned);
