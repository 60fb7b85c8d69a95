#pragma once
/* Threads: conversations, each with at most one active run.
 *
 * The thread row is the mutex: creating a run sets active_run where it is NULL, and the statement
 * that makes the run terminal clears it.
 */

#include "shared/store/store.h"
#include "shared/store/threads/drafts.h"
#include "shared/store/usage/usage.h"

struct thread {
    struct uuid id;
    struct uuid active_run;     /* zero: idle */
    struct text metadata;       /* JSON object */
    struct text tool_resources; /* JSON; TEXT_NONE: null */
    struct text title;          /* TEXT_NONE: none */
    struct uuid forked_from;    /* the thread that it began as a copy of; zero: none */
    struct usage used;          /* of its runs, without the active one */
    int64_t created_at;
};

struct thread_list {
    struct thread *items;
    size_t count;
    bool has_more;
};

/* `id` is the caller's choice (uuid_new()). Messages get positions in the order of the array. */
struct thread_draft {
    struct uuid id;
    struct text metadata;       /* TEXT_NONE: {} */
    struct text tool_resources; /* TEXT_NONE: null */
    struct text title;          /* TEXT_NONE: none */
    const struct message_draft *messages;
    size_t message_count; /* at most MESSAGE_DRAFTS_MAX, else -E_LIMIT */
};

/* Thread and messages, all or none. -E_CONFLICT when an id exists. */
SUSPENDS MUSTCHECK int threads_create(const struct store *store, const struct thread_draft *draft,
                                      struct thread *out, struct error *err);

/* THREAD_MISSING. */
SUSPENDS MUSTCHECK int threads_get(const struct store *store, struct uuid id, struct thread *out,
                                   struct error *err);

/* In order of creation (of ids). A cursor need not exist any more. */
SUSPENDS MUSTCHECK int threads_list(const struct store *store, const struct page *page,
                                    struct thread_list *out, struct error *err);

/* TEXT_NONE leaves a field as it is; an empty title is none. THREAD_MISSING. */
struct thread_change {
    struct text metadata;
    struct text tool_resources;
    struct text title;
};

SUSPENDS MUSTCHECK int threads_update(const struct store *store, struct uuid id,
                                      const struct thread_change *change, struct thread *out,
                                      struct error *err);

/* A copy of a thread: what it says, and all its messages up to and with one of them, with what the
 * tools exchanged, but without runs, and without what an active run has done so far. Messages get
 * ids of their own and keep their times. */
struct thread_fork {
    struct uuid id; /* of the copy: the caller's choice */
    struct uuid source;
    struct uuid message;  /* the last one of it; zero: all */
    struct text title;    /* TEXT_NONE: that of the source */
    struct text metadata; /* TEXT_NONE: that of the source */
};

/* All or nothing. THREAD_MISSING; MESSAGE_MISSING: the source has no such message, or it is hidden;
 * -E_CONFLICT when the id exists. */
SUSPENDS MUSTCHECK int threads_fork(const struct store *store, const struct thread_fork *fork,
                                    struct thread *out, struct error *err);

/* Deletes the thread with its messages, runs, steps and tool calls, an active run included: its
 * worker's next write is fenced. *out (may be NULL) is the run of it that a worker had in hand, to
 * be nudged; owner 0: none. THREAD_MISSING. */
SUSPENDS MUSTCHECK int threads_delete(const struct store *store, struct uuid id,
                                      struct run_stopped *out, struct error *err);
