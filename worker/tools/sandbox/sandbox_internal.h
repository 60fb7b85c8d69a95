#pragma once
/* Inside the sandbox: its state, and the way from arguments to what came of them. */

#include "shared/base/list.h"
#include "shared/process/spawner.h"
#include "worker/tools/sandbox/sandbox.h"

#define SANDBOX_GROUPS    4
#define SANDBOX_PDFTOTEXT "/usr/bin/pdftotext"

struct sandbox {
    struct sandbox_options options;
    char *groups_text; /* cut at its commas */
    const char *groups[SANDBOX_GROUPS];
    size_t group_count;
    struct spawner *spawner; /* NULL until it is found out, or where there is none */
    struct buf filter;
    char *bwrap; /* paths */
    char *inside;
    bool known;
    bool may_pass; /* the trouble: the machine was too busy */
    bool javascript;
    bool pdf;
    char trouble[240]; /* "": none */
    struct sandbox_stats stats;
    struct cond freed; /* a place */
    struct cond found_out;
    struct list threads; /* whose programs run, of thread_turn.link */
    struct cond turn_ended;
};

/* One sandbox with penstock-inside and these arguments, for as long as a program may run and a
 * little more. Does not ask whether it is known to be one, nor for a place. Returns as sandbox_run
 * does. */
SUSPENDS MUSTCHECK int sandbox_confine(struct sandbox *sandbox, const char *const *inside,
                                       int64_t wall_ms, struct text files,
                                       struct sandbox_outcome *out, struct error *err);

/* The arguments of penstock-inside for a program that may run for wall_ms. */
struct sandbox_command {
    const char *list[24];
    char numbers[8][24];
};
void sandbox_command(const struct sandbox *sandbox, enum sandbox_language language, int64_t wall_ms,
                     struct sandbox_command *out);

/* The path of a program, in the folders of PATH; the caller frees. NULL: it is in none. */
char *sandbox_find_program(const char *name);

/* The path of a program of ours beside the running one; the caller frees. */
char *sandbox_beside(const char *name);
