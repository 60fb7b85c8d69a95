#pragma once
/* What files and uploads share: purposes, how long a file is kept, how one is made and shown. */

#include "scheduler/api/request.h"
#include "shared/store/files/files.h"

struct blob_draft;

extern const char *const file_purposes[];         /* ended by NULL */
#define FILE_PURPOSE_OUTPUT   "batch_output"      /* of a batch: no client gives it */
#define FILE_PURPOSE_PROGRAMS "assistants_output" /* of programs (worker/tools/sandbox): nor this */

#define FILE_SECONDS_MIN   3600
#define FILE_SECONDS_MAX   (30 * 24 * 3600)
#define FILE_SECONDS_BATCH FILE_SECONDS_MAX /* of a batch's, where nothing else is said */

/* How long a file of this purpose is kept where `asked` (0: nothing) was. */
int64_t file_seconds(struct text purpose, int64_t asked);

/* Whether a file of this name may have the purpose. Returns 0, or -E_INVALID with the failure. */
MUSTCHECK int file_fits_purpose(struct request *request, struct text filename, struct text purpose);

/* What file_create, upload_add_part and upload_complete tell of a tenant that has no room, or of a
 * draft that was lost (FILES_FULL, BLOB_LOST), and other failures of theirs. Returns -E_INVALID. */
SUSPENDS int file_refused(struct request *request, int r, const struct error *err);

/* Another at the same moment had the same content: so often it is tried again. */
#define FILE_TRIES 4

/* The reply has its time from now on, however long the store of bytes took. */
void file_reply_in_time(struct request *request);

/* Where requests keep their rows of files. */
struct store file_store(const struct request *request);

void file_render(const struct file *file, struct buf *out);
/* The same as a member of another object. */
struct json_write;
void file_write(const struct file *file, const char *name, struct json_write *write);
