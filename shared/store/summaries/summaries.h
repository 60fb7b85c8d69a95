#pragma once
/* Summaries of threads: what a run is given in place of messages that are old. One a thread at
 * most, which speaks of all messages up to a position.
 *
 *   summaries_begin ──► the messages are read, a model is asked ──► summaries_keep
 *
 * Who makes one tells that before he reads, so that a message which is deleted meanwhile is not
 * kept in other words: then nothing is stored. A message that a summary speaks of takes it along
 * (summary_rows.h); one that goes since its thread has grown too large does not, as then the
 * summary is what is left of it.
 */

#include "shared/store/store.h"

#define SUMMARY_BYTES_MAX 16384

struct thread_summary {
    struct text text; /* TEXT_NONE: there is none, and what follows is zero */
    int64_t position; /* of the last message that it speaks of */
    int64_t messages; /* that it stands for, and about how many tokens these have */
    int64_t source_tokens;
    int64_t tokens;    /* of its own, estimated */
    struct text model; /* that made it */
    struct uuid run;   /* in which */
    int64_t created_at;
    int64_t tried_tokens; /* that stood behind it when the next one was begun, of which nothing
                             * has come; -1: nothing was begun. Known without a summary, too */
};

/* Where there is none, *out says so. */
SUSPENDS MUSTCHECK int summaries_get(const struct store *store, struct uuid thread,
                                     struct thread_summary *out, struct error *err);

/* What is to be known of a thread whose next summary is made. */
struct summary_begun {
    struct uuid active_run; /* zero: the thread is idle */
    bool again;             /* the same run had begun it before */
};

/* `run` makes the next one behind `seen`, in place of whoever else does. THREAD_MISSING;
 * SUMMARY_MOVED: it is not the thread's summary any more. */
SUSPENDS MUSTCHECK int summaries_begin(const struct store *store, struct uuid thread,
                                       struct uuid run, const struct thread_summary *seen,
                                       struct summary_begun *out, struct error *err);

/* A model is about to be asked. Until something is stored that is known as tried, whatever comes of
 * it. SUMMARY_MOVED: the run does not make it any more. */
SUSPENDS MUSTCHECK int summaries_try(const struct store *store, struct uuid thread, struct uuid run,
                                     int64_t tokens, struct error *err);

/* The next one, which stands for what the one before stood for, too, where there was one. */
struct summary_draft {
    struct uuid run;
    int64_t before; /* position of the summary that it replaces; 0: there was none */
    int64_t from;   /* positions of the first and the last message that were read for it, */
    int64_t to;
    int64_t read; /* and how many these are */
    struct text text;
    int64_t messages;
    int64_t source_tokens;
    int64_t tokens;
    struct text model;
};

/* SUMMARY_MOVED: nothing is stored, since the run does not make it any more, or it has stored it
 * before, or one of the messages is gone. */
SUSPENDS MUSTCHECK int summaries_keep(const struct store *store, struct uuid thread,
                                      const struct summary_draft *draft, struct error *err);
