#pragma once
/* A kind of store: a struct of functions, a row in blob.c, a file. Internal to shared/blob. */

#include "shared/blob/blob.h"

struct blob_writer;
struct s3;

struct blob_stores {
    const struct blob_kind *kind; /* of what is written */
    struct pg *pg;
    struct pg *pg_chunks;
    char *directory;
    struct s3 *s3;
    int64_t silent_ms;
};

/* What is being written, as a kind sees it. */
struct blob_writer {
    struct blob_stores *stores;
    struct uuid id;
    int fd;              /* of the directory's; -1 */
    struct buf hint;     /* what is needed to take back what was begun; TEXT_NONE while empty */
    struct buf progress; /* the kind's own */
    size_t pieces;       /* that were put */
    bool away; /* the store could not be reached: what is there of it is left to the sweep */
};

struct blob_kind {
    const char *name;
    size_t piece_bytes; /* of all pieces but the last */

    /* Whether the options have what it needs; NULL: it needs nothing. */
    int (*check)(const struct blob_stores *stores, struct error *err);

    /* Called before what `hint` tells of is begun, so that the row has it first: fills
     * writer->hint. NULL: there is none. Called once, behind the first piece that is not the
     * last. */
    int (*prepare)(struct blob_writer *writer, struct error *err);

    /* Puts the piece that begins at `at`; the last one makes all of them safe. */
    int (*put)(struct blob_writer *writer, int64_t at, struct text piece, bool last,
               struct error *err);

    /* Frees what the writer has, and nothing that was written. */
    void (*end)(struct blob_writer *writer);

    int (*read)(struct blob_stores *stores, const struct blob_ref *ref, int64_t at, uint8_t *to,
                size_t size, size_t *out_count, struct error *err);

    /* Deletes all there is of it, and may be called again. */
    int (*remove)(struct blob_stores *stores, const struct blob_place *place, struct error *err);
};

extern const struct blob_kind blob_postgres;
extern const struct blob_kind blob_directory;
extern const struct blob_kind blob_s3;
