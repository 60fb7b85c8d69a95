#pragma once
/* The form in which a file comes: one part with its bytes, which go to the store as they come, and
 * small fields, before it or behind. */

#include "scheduler/api/request.h"
#include "shared/store/files/blobs.h"

struct blob_draft;

#define FORM_FIELDS_MAX  4
#define FORM_VALUE_MAX   ((size_t)64 << 10) /* of a field */
#define FILENAME_MAX_LEN 255                /* characters */

struct file_form {
    /* To be said before. */
    const char *file;          /* the part with the bytes */
    const char *const *fields; /* the others, ended by NULL */
    int64_t bytes_max;

    /* What came. */
    struct text values[FORM_FIELDS_MAX]; /* in the order of the fields; TEXT_NONE: it did not */
    struct text filename;                /* without folders; valid */
    struct blob_draft *draft;
    struct blob_content content; /* complete, but for its quota */
};

/* Reads the request's body to its end. Returns 0, or -E_INVALID with request->failure. In any case
 * form->draft is to be given to blob_draft_end. */
SUSPENDS MUSTCHECK int file_form_read(struct request *request, struct file_form *form);

/* The store of bytes failed: fills request->failure. Returns -E_INVALID. */
int file_store_failed(struct request *request, const struct error *err);

/* Whether a name may be that of a file, without the folders before it, which clients may send:
 * fills *out. Returns 0, or -E_INVALID with the failure, about `param`. */
MUSTCHECK int file_name_check(struct request *request, const char *param, struct text name,
                              struct text *out);
