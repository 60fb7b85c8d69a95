#pragma once
/* Batches as the API sees them. What a scheduler does with one is in batch_work.h.
 *
 *   validating ──► in_progress ──► finalizing ──► completed, expired
 *     │     │           │               ▲    └──► cancelled, failed (its input is gone)
 *     │     └───────────┴► cancelling ──┘
 *     └──► failed: its lines are not as they must be
 */

#include "shared/store/store.h"
#include "shared/store/usage/usage.h"

#define BATCH_ENDPOINT_MAX 64

struct batch {
    struct uuid id;
    struct uuid tenant;
    struct text endpoint;
    struct uuid input_file;
    int64_t window_seconds;
    int64_t output_seconds; /* that its files are kept; 0: until they are deleted */
    struct text metadata;   /* JSON object */
    struct text state;
    struct text ending;  /* what it becomes; TEXT_NONE: completed */
    int64_t lines;       /* 0 while it is validating */
    int64_t input_bytes; /* so are these */
    int64_t at_byte;     /* the cursor */
    int64_t at_line;
    int64_t completed;
    int64_t failed;
    struct usage used;
    struct text model;       /* of its first line; TEXT_NONE: not known */
    struct text errors;      /* JSON array; TEXT_NONE: none */
    struct uuid output_file; /* zero: none (yet) */
    struct uuid error_file;
    int64_t created_at;
    int64_t expires_at;
    int64_t in_progress_at;
    int64_t finalizing_at;
    int64_t cancelling_at;
    int64_t ended_at;
    int64_t fence;
    bool late;               /* its window is over */
    struct text traceparent; /* in which trace it was asked for; TEXT_NONE: in none */
};

struct batch_list {
    struct batch *items;
    size_t count;
    bool has_more;
};

struct new_batch {
    struct uuid id;
    struct text endpoint;
    struct uuid input_file;
    int64_t window_seconds;
    int64_t output_seconds;
    struct text metadata; /* TEXT_NONE: {} */
    struct text trace;    /* JSON: {"parent", "state"}, of the request; TEXT_NONE: none */
};

/* -E_CONFLICT: this id is taken. */
SUSPENDS MUSTCHECK int batch_create(const struct store *store, const struct new_batch *batch,
                                    struct batch *out, struct error *err);

/* BATCH_MISSING. */
SUSPENDS MUSTCHECK int batch_get(const struct store *store, struct uuid id, struct batch *out,
                                 struct error *err);

SUSPENDS MUSTCHECK int batch_list(const struct store *store, const struct page *page,
                                  struct batch_list *out, struct error *err);

/* One that is validating or in progress is cancelling from now on. BATCH_MISSING; BATCH_OVER, *out
 * filled: it is in another state. */
SUSPENDS MUSTCHECK int batch_cancel(const struct store *store, struct uuid id, struct batch *out,
                                    struct error *err);
