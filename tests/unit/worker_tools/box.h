#pragma once
/* A toolbox for tests: from the text of a spec, with an arena of its own. */

#include "worker/tools/tools.h"

struct box {
    struct arena arena;
    struct toolbox tools;
};

/* Asserts that the spec can be read. */
void box_open(struct box *box, const char *spec);
void box_close(struct box *box);

/* Reads a spec that can't be; returns the error's code. */
int box_refused(const char *spec, struct error *err);

/* Calls a tool of the box on the loop; what came of it, and in *out (initialised by the caller) the
 * result. */
struct tool_outcome box_call(const struct box *box, const char *name, const char *arguments,
                             struct buf *out);
