#pragma once
/* Uploads: files that come in parts, in any order and several at once.
 *
 *   pending ──┬── all parts are put together ──► completed, which has a file
 *             ├── the client gives it up ──────► cancelled
 *             └── an hour ─────────────────────► expired
 *
 * What is no longer pending has no parts; its row stays for a day. */

#include "shared/store/files/files.h"

#define UPLOAD_SECONDS   3600
#define UPLOAD_PARTS_MAX 10000

struct new_upload {
    struct uuid id;
    struct text filename;
    struct text purpose;
    struct text mime_type;
    int64_t bytes;
    int64_t file_seconds; /* that its file is kept; 0: until it is deleted */
};

struct upload {
    struct uuid id;
    struct text filename;
    struct text purpose;
    struct text mime_type;
    int64_t bytes;
    int64_t file_seconds;
    struct text status;
    struct uuid file; /* of a completed one; its file may be gone */
    int64_t created_at;
    int64_t expires_at;
};

struct upload_part {
    struct uuid id;
    int64_t bytes;
    int64_t created_at;
    struct blob_ref blob;
};

struct upload_parts {
    struct upload_part *items; /* in the order of their ids */
    size_t count;
};

/* -E_CONFLICT: this id is taken. */
SUSPENDS MUSTCHECK int upload_create(const struct store *store, const struct new_upload *upload,
                                     struct upload *out, struct error *err);

/* One that has expired says so, whatever its row does. UPLOAD_MISSING. */
SUSPENDS MUSTCHECK int upload_get(const struct store *store, struct uuid id, struct upload *out,
                                  struct error *err);

/* What was written becomes a part. As file_create, and UPLOAD_OVER: also where it has
 * UPLOAD_PARTS_MAX. */
SUSPENDS MUSTCHECK int upload_add_part(const struct store *store, struct uuid upload,
                                       struct uuid part, const struct blob_content *content,
                                       struct upload_part *out, bool *out_spare, struct error *err);
/* PART_MISSING. */
SUSPENDS MUSTCHECK int upload_get_part(const struct store *store, struct uuid upload,
                                       struct uuid part, struct upload_part *out,
                                       struct error *err);
SUSPENDS MUSTCHECK int upload_list_parts(const struct store *store, struct uuid upload,
                                         struct upload_parts *out, struct error *err);

/* What was put together becomes the file of a pending upload, whose parts go. As file_create, and
 * UPLOAD_OVER. */
SUSPENDS MUSTCHECK int upload_complete(const struct store *store, struct uuid upload,
                                       const struct new_file *file,
                                       const struct blob_content *content, bool *out_spare,
                                       struct error *err);

/* UPLOAD_MISSING, UPLOAD_OVER. */
SUSPENDS MUSTCHECK int upload_cancel(const struct store *store, struct uuid id, struct error *err);

/* Ends pending uploads whose hour is over, and forgets those that ended a day ago. *out_more: there
 * may be more. */
SUSPENDS MUSTCHECK int uploads_expire(struct pg *pg, bool *out_more, struct error *err);
