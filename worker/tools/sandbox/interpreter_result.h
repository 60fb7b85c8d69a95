#pragma once
/* What the model is told of a program, which is also what the steps of its run are made from: one
 * JSON object.
 *
 *   {"exit_code":0,"stdout":"…","stderr":"…","note":"…",
 *    "files":[{"name":"plot.png","file_id":"file-…","bytes":1234,"image":true}],
 *    "skipped":[{"name":"out/link","why":"it is a link"}]}
 *
 * Members that would say nothing are left out, but for exit_code (null where it did not end by
 * itself) and stdout. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "worker/tools/sandbox/sandbox.h"

/* A file that a program has made. */
struct interpreter_file {
    struct uuid id;
    struct text name;
    size_t bytes;
    bool image;
};

struct interpreter_result {
    const struct sandbox_outcome *outcome;
    const struct sandbox_options *options;
    const struct interpreter_file *files;
    size_t file_count;
    struct text note; /* beside what the outcome tells; TEXT_NONE: none */
};

/* Returns how many bytes of the outputs are left out. */
uint64_t interpreter_result_write(const struct interpreter_result *result, struct buf *out);
