#pragma once
/* The files of a program: what it finds, from the stores of files into an archive; and what it
 * leaves, from an archive into the stores. */

#include "shared/base/compiler.h"
#include "shared/store/files/work_folders.h"
#include "worker/tools/sandbox/interpreter_result.h"
#include "worker/tools/sandbox/sandbox.h"

struct error;
struct tool_call;

struct work_files {
    const struct tool_call *call;
    struct arena *arena;
    struct work_found found;
    struct interpreter_file made[SANDBOX_OUT_FILES];
    size_t made_count;
    struct buf note; /* what could not be had or kept, in words for the model */
};

void work_files_init(struct work_files *files, const struct tool_call *call, struct arena *arena);
void work_files_deinit(struct work_files *files);

/* Appends "in/…" and "work/…" to an archive. Returns 0; -E_LIMIT; or what the stores fail with:
 * then the program is not to run, since it would not find what it counts on. */
SUSPENDS MUSTCHECK int work_files_fetch(struct work_files *files, struct buf *archive,
                                        struct error *err);

/* Makes files of "out/…", and a work folder of "work/…" where that has changed. Returns 0 or what
 * the stores fail with. */
SUSPENDS MUSTCHECK int work_files_keep(struct work_files *files, struct text archive,
                                       struct error *err);
