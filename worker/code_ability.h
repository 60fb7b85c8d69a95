#pragma once
/* Whether this worker can run programs of models: it is found out beside all else, since that takes
 * some tenths of a second, and told in the worker's row: where no worker can, agents that want to
 * are refused. Until then, and where it can't, calls are refused one by one. */

#include "shared/base/compiler.h"

struct worker;

/* Fills worker->sandbox and worker->tools.sandbox, unless it is switched off. */
void code_ability_start(struct worker *worker);
SUSPENDS void code_ability_stop(struct worker *worker);
