#pragma once
/* Threads: conversations, each with at most one active run.
 *
 * The thread row is the mutex: creating a run sets active_run where it is NULL, and the statement
 * that makes the run terminal clears it.
 */

#include "shared/store/store.h"
#include "shared/store/threads/counts.h"
#include "shared/store/threads/drafts.h"
#include "shared/store/usage/usage.h"

#define THREAD_KEPT_MS 300000 /* of one that erases: how long after its last use */

struct thread {
    struct uuid id;
    struct uuid active_run;       /* zero: idle */
    struct text metadata;         /* JSON object */
    struct text tool_resources;   /* JSON; TEXT_NONE: null */
    struct text title;            /* TEXT_NONE: none */
    struct uuid forked_from;      /* the thread that it began as a copy of; zero: none */
    struct uuid agent;            /* the agent that it belongs to; zero: none */
    struct text user;             /* the person that it belongs to; TEXT_NONE: nobody */
    bool active;                  /* the one that this agent and this person are at */
    struct text agent_state;      /* JSON object; TEXT_NONE: none */
    int64_t agent_state_version;  /* how often it was replaced */
    struct message_counts counts; /* without what the active run has written so far */
    struct usage used;            /* of its runs, without the active one */
    int64_t created_at;
    int64_t last_used_at; /* messages, runs, and that it was brought back from the archive */
    int64_t archived_at;  /* 0: it is not archived */
    bool hidden;          /* in no list and no search, and not to be active */
    bool erases;          /* it is deleted when it is not used any more (erasures.h) */
    struct text memory;   /* {"strategy", "config"} (context_settings.h); TEXT_NONE: nothing said */
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
    struct uuid agent;          /* zero: none. The caller has seen that it is there */
    struct text user;           /* TEXT_NONE: none */
    bool active;                /* of agent and user, which are given then */
    struct text agent_state;    /* TEXT_NONE: none */
    bool hidden;                /* not with `active` */
    bool erases;                /* erasures.h */
    struct text memory;         /* TEXT_NONE: nothing is said of it */
    const struct message_draft *messages;
    size_t message_count; /* at most MESSAGE_DRAFTS_MAX, else -E_LIMIT */
};

/* Thread and messages, all or none. THREAD_TOO_LARGE; USER_OVER_QUOTA; -E_CONFLICT when an id
 * exists, or when it is to be active and threads_find_active finds another one. */
SUSPENDS MUSTCHECK int threads_create(const struct store *store, const struct thread_draft *draft,
                                      struct thread *out, struct error *err);

/* The active thread of an agent and a person. THREAD_MISSING. */
SUSPENDS MUSTCHECK int threads_find_active(const struct store *store, struct uuid agent,
                                           struct text user, struct uuid *out, struct error *err);

/* THREAD_MISSING. */
SUSPENDS MUSTCHECK int threads_get(const struct store *store, struct uuid id, struct thread *out,
                                   struct error *err);

/* Which threads of the tenant. */
struct thread_filter {
    struct uuid agent;    /* zero: any */
    struct text user;     /* TEXT_NONE: any */
    struct text metadata; /* JSON object whose members they have; TEXT_NONE: any */
    int archived;         /* 1: archived ones, 0: the others, -1: all */
    int active;           /* 1: active ones, 0: the others, -1: all */
    bool by_use;          /* in the order of their last use, not of their creation */
};

/* In order of creation (of ids), where a cursor need not exist any more; or in order of last use,
 * and CURSOR_MISSING where the cursor's thread does not exist. */
SUSPENDS MUSTCHECK int threads_list(const struct store *store, const struct thread_filter *filter,
                                    const struct page *page, struct thread_list *out,
                                    struct error *err);

/* What a thread is to be. TEXT_NONE and KEEP leave a member as it is. */
enum thread_switch { THREAD_KEEP, THREAD_ON, THREAD_OFF };

struct thread_change {
    struct text metadata;
    struct text tool_resources;
    struct text title; /* empty: none */
    struct text user;  /* empty: nobody */
    bool sets_agent;
    struct uuid agent; /* where sets_agent; zero: none */
    enum thread_switch active;
    enum thread_switch archived; /* THREAD_ON: it is not active any more */
    struct text agent_state;     /* "null": none */
    int64_t state_version;       /* that agent_state must have now; -1: any */
    struct text memory;          /* members of it; null: that one no more */
};

/* THREAD_MISSING; THREAD_UNFIT: it would be active without an agent and a person, or archived or
 * hidden and active; THREAD_TAKEN: another one is active, *out_other; STATE_CHANGED;
 * USER_OVER_QUOTA: the person has no room for the thread. Nothing is written then. */
SUSPENDS MUSTCHECK int threads_update(const struct store *store, struct uuid id,
                                      const struct thread_change *change, struct thread *out,
                                      struct uuid *out_other, struct error *err);

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

/* All or nothing. The copy belongs to whom the source belongs to, and is neither active nor
 * archived. THREAD_MISSING; MESSAGE_MISSING: the source has no such message, or it is hidden;
 * USER_OVER_QUOTA; -E_CONFLICT when the id exists. */
SUSPENDS MUSTCHECK int threads_fork(const struct store *store, const struct thread_fork *fork,
                                    struct thread *out, struct error *err);

/* Deletes the thread with its messages, input that waits, runs, steps and tool calls, an active run
 * included: its worker's next write is fenced. *out (may be NULL) is the run of it that a worker
 * had in hand, to be nudged; owner 0: none. THREAD_MISSING. */
SUSPENDS MUSTCHECK int threads_delete(const struct store *store, struct uuid id,
                                      struct run_stopped *out, struct error *err);

/* What went with a thread. */
struct thread_gone {
    struct run_stopped stopped; /* the run of it that a worker had in hand; owner 0: none */
    int64_t messages;           /* input that waited, too */
    int64_t runs;
    int64_t steps;
    int64_t calls;
};

/* As threads_delete. */
SUSPENDS MUSTCHECK int threads_delete_counted(const struct store *store, struct uuid id,
                                              struct thread_gone *out, struct error *err);
