#pragma once
/* Memories: what is known of users in sentences of one line each, which are facts, preferences or
 * episodes, each for all agents or for one alone. (Pairs of key and value are memory_keys.h.)
 *
 * Texts come in the form that shared/recall/memory_text.h gives them. Of the living memories of a
 * user and scope no two say the same: what is put again is the one that was there. What has changed
 * is replaced: the old text stays for MEMORIES_HISTORY_DAYS as history of the one that holds now
 * (superseded_by), which can be listed and read by its id, and is never found by a search; it goes
 * with that one.
 *
 * Writers of one user's memories wait for each other, so that MEMORIES_MAX is never exceeded;
 * readers, and whoever makes runs, wait for nobody. Writes belong on a connection that makes no
 * runs. What writes may be done again: done twice it has the effect of once.
 */

#include "shared/recall/memory_kind.h"
#include "shared/store/store.h"

#define MEMORIES_MAX          10000 /* living ones of a user */
#define MEMORIES_HISTORY_MAX  1000  /* of a user; older ones go */
#define MEMORIES_HISTORY_DAYS 30

/* Who said so: a client, a run that went through what was said on a thread, or an agent that called
 * a tool. */
enum memory_source { MEMORY_BY_API, MEMORY_BY_RUN, MEMORY_BY_TOOL, MEMORY_SOURCE_COUNT };

/* "api"; ended by NULL. */
extern const char *const memory_source_names[];

struct memory {
    struct uuid id;
    struct uuid agent; /* zero: all agents know it */
    enum memory_kind kind;
    enum memory_source source;
    struct uuid source_run;    /* zero: none, or it is not known */
    struct uuid source_thread; /* the same */
    struct text text;
    int64_t version; /* from 1 on, for what is to change it if it has not changed */
    int64_t recalls; /* how often runs were told of it, about (memories_recalled) */
    int64_t last_recalled_at;
    int64_t created_at;
    int64_t updated_at;        /* also when the same was put again */
    int64_t replaced_at;       /* 0: it lives */
    struct uuid superseded_by; /* the memory whose history it is; zero: it lives */
};

struct memory_list {
    struct memory *items;
    size_t count;
    bool has_more;
};

/* A text with what is kept beside it to find it. */
struct memory_content {
    struct text text;
    struct text words;     /* its stems, with a blank between */
    const uint8_t *sha256; /* SHA256_BYTES (shared/base/digest.h) */
    struct text vector;    /* one signed byte a dimension; TEXT_NONE: there is none yet */
    struct text model;     /* of the vector */
};

struct memory_draft {
    struct uuid id; /* chosen by who makes it */
    struct uuid agent;
    enum memory_kind kind;
    enum memory_source source;
    struct uuid source_run;
    struct uuid source_thread;
    struct memory_content content;
};

/* Keeps one. Where a living one of the scope says the same, or the id is there already, *out is
 * that, updated now, and nothing else of it has changed. MEMORIES_FULL: nothing was written. */
SUSPENDS MUSTCHECK int memories_put(const struct store *store, struct text user,
                                    const struct memory_draft *draft, struct memory *out,
                                    struct error *err);

/* The same, and `old` of version `version` (-1: whichever) becomes history of it. Where `old` says
 * the same, it lives on. Returns 0 also where this was done before; MEMORY_MISSING: `old` does not
 * live; MEMORY_CHANGED. On these nothing was written. */
SUSPENDS MUSTCHECK int memories_supersede(const struct store *store, struct text user,
                                          struct uuid old, int64_t version,
                                          const struct memory_draft *draft, struct memory *out,
                                          struct error *err);

struct memory_change {
    int64_t version;                  /* that it must have; -1: whichever */
    bool sets_kind;                   /* to draft.kind */
    bool sets_text;                   /* and its source; the old one becomes history */
    const struct memory_draft *draft; /* its id is that of the history, agent is not read */
};

/* Corrects a living one, whose id stays. MEMORY_MISSING; MEMORY_CHANGED; MEMORY_THERE: *out is the
 * other one that says this already. On these nothing was written. */
SUSPENDS MUSTCHECK int memories_update(const struct store *store, struct text user, struct uuid id,
                                       const struct memory_change *change, struct memory *out,
                                       struct error *err);

/* Forgets one with its history, or one of the history. MEMORY_MISSING; MEMORY_CHANGED (`version`
 * -1: whichever). */
SUSPENDS MUSTCHECK int memories_forget(const struct store *store, struct text user, struct uuid id,
                                       int64_t version, struct error *err);

/* Which of a user's. */
struct memory_filter {
    bool of_agent; /* those that `agent` alone knows, or with zero those that all know */
    struct uuid agent;
    int kind;               /* -1: any */
    struct uuid source_run; /* zero: any */
    enum { MEMORIES_LIVING, MEMORIES_REPLACED, MEMORIES_ALL } which;
};

/* Forgets all of the user, or (filter->of_agent, nothing else of it is read) of the scope, with
 * their history. *out_removed counts both. */
SUSPENDS MUSTCHECK int memories_forget_all(const struct store *store, struct text user,
                                           const struct memory_filter *filter, int64_t *out_removed,
                                           struct error *err);

/* Also one of the history. MEMORY_MISSING. */
SUSPENDS MUSTCHECK int memories_get(const struct store *store, struct text user, struct uuid id,
                                    struct memory *out, struct error *err);

/* By their ids, which tell when they were made. */
SUSPENDS MUSTCHECK int memories_list(const struct store *store, struct text user,
                                     const struct memory_filter *filter, const struct page *page,
                                     struct memory_list *out, struct error *err);

/* Those of these ids that live, in any order. */
SUSPENDS MUSTCHECK int memories_of_ids(const struct store *store, struct text user,
                                       const struct uuid *ids, size_t count,
                                       struct memory_list *out, struct error *err);

SUSPENDS MUSTCHECK int memories_count(const struct store *store, struct text user,
                                      int64_t *out_count, struct error *err);

/* What a search compares: shared/recall/memory_search.h, which is what others call. */
struct memory_candidate {
    struct uuid id;
    enum memory_kind kind;
    int64_t updated_ms;
    struct text words;
    struct text vector; /* TEXT_NONE: it has none of the model that was asked for */
};

struct memory_sought {
    bool as_agent; /* what `agent` knows: its own, and what all know. Else: all of the user */
    struct uuid agent;
    unsigned kinds;    /* a bit each (1 << MEMORY_FACT); 0: all */
    struct text model; /* of vectors; TEXT_NONE: none is wanted */
};

struct memory_candidates {
    struct memory_candidate *items;
    size_t count;
};

/* Living ones by their ids behind `after`, at most `limit`: a search goes through all of them in
 * slices, so that it holds the vectors of one slice only. */
SUSPENDS MUSTCHECK int memories_candidates(const struct store *store, struct text user,
                                           const struct memory_sought *sought, struct uuid after,
                                           int limit, struct memory_candidates *out,
                                           struct error *err);

/* Runs were told of these. Written once an hour each at most, and nobody is waited for. */
SUSPENDS MUSTCHECK int memories_recalled(const struct store *store, struct text user,
                                         const struct uuid *ids, size_t count, struct error *err);

/* Lets go of living ones until `keep` are left: those first that were neither recalled nor updated
 * for longest. For who makes many, before MEMORIES_FULL. */
SUSPENDS MUSTCHECK int memories_let_go(const struct store *store, struct text user, int64_t keep,
                                       int64_t *out_removed, struct error *err);

/* Living ones whose vector is not of this model, by their ids behind `after`, to be given one. */
struct memory_unseen {
    struct uuid id;
    int64_t version;
    struct text text;
};

struct memory_unseen_list {
    struct memory_unseen *items;
    size_t count;
};

SUSPENDS MUSTCHECK int memories_without_vector(const struct store *store, struct text user,
                                               struct text model, struct uuid after, int limit,
                                               struct memory_unseen_list *out, struct error *err);

struct memory_vector {
    struct uuid id;
    int64_t version; /* what has another one by now is left alone */
    struct text bytes;
};

SUSPENDS MUSTCHECK int memories_set_vectors(const struct store *store, struct text user,
                                            struct text model, const struct memory_vector *vectors,
                                            size_t count, struct error *err);

/* A step of the sweep of all tenants' history: at most `rows` that are over go. */
SUSPENDS MUSTCHECK int memories_sweep(struct pg *pg, int64_t rows, int64_t *out_count,
                                      struct error *err);
