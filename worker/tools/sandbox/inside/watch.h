#pragma once
/* What no limit of the system bounds: the memory of all processes of a sandbox together, and the
 * number of files in its file systems, which are memory, too. Where there is a control group it is
 * quicker; where there is none this is all there is. */

#include "shared/base/compiler.h"

#define WATCH_MS        50
#define WATCH_FILES_MAX 20000

/* What is too much, in words; NULL: nothing. `memory_bytes` 0: any is allowed. */
const char *watch_excess(uint64_t memory_bytes);

/* For the program, before it begins: it may send no signal to its parent, nor to everybody, which
 * would stop the watch. Returns 0, or -1 with errno. */
int watch_shield(int parent);
