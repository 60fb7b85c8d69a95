#pragma once
/* Consume: from hints to claimed runs.
 *
 * Hints are read from Redis, only as many as there are free slots, claimed in Postgres by one
 * statement, and acknowledged at once, won or lost. Without Redis the worker asks Postgres itself
 * what is ready, less often.
 */

#include "shared/base/compiler.h"

struct worker;

/* Reads, claims and starts runs until the worker drains, is declared dead, or the fiber is
 * cancelled. */
SUSPENDS void consume(struct worker *worker);
