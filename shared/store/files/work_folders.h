#pragma once
/* The files that programs of a thread have left for its next ones: a blob for each thread, written
 * behind each program that changed them.
 *
 * Who writes says for which call. The one before is kept beside it, so that a call that is made
 * again, since nobody knows what came of it, begins where it began the first time. The folder goes
 * when its thread does, or when no program has used it for WORK_FOLDER_DAYS.
 */

#include "shared/base/arena.h"
#include "shared/store/files/blobs.h"
#include "shared/store/store.h"

#define WORK_FOLDER_DAYS 30
#define WORK_INPUTS_MAX  20

struct work_input {
    struct text file; /* "file-…", as somebody wrote it */
};

/* What a program of a run finds. */
struct work_found {
    bool has_folder;
    struct blob_ref folder;
    struct work_input inputs[WORK_INPUTS_MAX]; /* of its agent, its thread and messages */
    size_t input_count;
};

/* For a call: `key` is the same each time that it is made. Texts live in the store's arena. */
SUSPENDS MUSTCHECK int work_folder_find(const struct store *store, struct uuid run, struct text key,
                                        struct work_found *out, struct error *err);

struct work_keeping {
    struct uuid run; /* and its lease: who has lost it writes nothing */
    int64_t owner;
    int64_t fence;
    struct uuid thread;
    struct text key;
};

/* What was written becomes the folder. As file_create; BLOB_LOST also where the run is somebody
 * else's by now. */
SUSPENDS MUSTCHECK int work_folder_keep(const struct store *store,
                                        const struct work_keeping *keeping,
                                        const struct blob_content *content, bool *out_spare,
                                        struct error *err);

/* Forgets those of threads that are gone, and old ones. *out_more: there may be more. */
SUSPENDS MUSTCHECK int work_folders_sweep(struct pg *pg, bool *out_more, struct error *err);
