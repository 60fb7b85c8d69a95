#pragma once
/* The helper process of a worker: starts programs and tells of their ends, until the worker is
 * gone. */

#include "shared/base/compiler.h"

#define SPAWN_CHILDREN_MAX 64

/* Serves the socket until its other end is closed; then all programs are killed. `parent` is the
 * process whose end is ours, too. Returns the exit status. */
int spawn_helper_serve(int fd, int parent);
