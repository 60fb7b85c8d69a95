#pragma once
/* Files: names for blobs, with a purpose and, perhaps, an end. One that has expired is not there,
 * though its row may be for a while. */

#include "shared/store/files/blobs.h"
#include "shared/store/store.h"

struct new_file {
    struct uuid id;
    struct text filename;
    struct text purpose;
    int64_t seconds; /* it is kept; 0: until it is deleted */
};

struct file {
    struct uuid id;
    struct text filename;
    struct text purpose;
    int64_t bytes;
    int64_t created_at;
    int64_t expires_at; /* 0: never */
    struct blob_ref blob;
};

struct file_list {
    struct file *items; /* their blobs are not read */
    size_t count;
    bool has_more;
};

struct file_page {
    struct page page;
    struct text purpose; /* TEXT_NONE: any */
};

/* What was written becomes a file, or a further file of a blob that the tenant has already: then
 * *out_spare says so, and the bytes that were written are to be deleted. Returns 0; FILES_FULL;
 * BLOB_LOST; -E_CONFLICT: this id is taken, or the same content comes at the same time: look for
 * the file, and try again. */
SUSPENDS MUSTCHECK int file_create(const struct store *store, const struct new_file *file,
                                   const struct blob_content *content, struct file *out,
                                   bool *out_spare, struct error *err);

/* FILE_MISSING. */
SUSPENDS MUSTCHECK int file_get(const struct store *store, struct uuid id, struct file *out,
                                struct error *err);
SUSPENDS MUSTCHECK int file_delete(const struct store *store, struct uuid id, struct error *err);

/* Cursors need not exist any more. */
SUSPENDS MUSTCHECK int file_list(const struct store *store, const struct file_page *page,
                                 struct file_list *out, struct error *err);

/* Whether all of these (a uuid[] that was built with pg_array_*) are there and may be shown to
 * models. FILE_MISSING with one that is not. */
SUSPENDS MUSTCHECK int files_shown(const struct store *store, const struct buf *ids,
                                   struct uuid *out_missing, struct error *err);

/* The same of files that programs are to have, whatever their purpose is. */
SUSPENDS MUSTCHECK int files_there(const struct store *store, const struct buf *ids,
                                   struct uuid *out_missing, struct error *err);

/* Deletes files that have expired. *out_more: there may be more. */
SUSPENDS MUSTCHECK int files_expire(struct pg *pg, bool *out_more, struct error *err);
