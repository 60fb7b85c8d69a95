#pragma once
/* How far threads were gone through for memories of a user, and what was said on them behind that.
 *
 *     open ──► what was said since ──► a model ──► pend: what is to be kept
 *          ──► kept, one by one ──► settle
 *
 * What is pending is done again by whoever opens the mark next, so a crash loses nothing of it, and
 * since each part names the id that it makes, doing it again makes nothing twice. */

#include "shared/store/store.h"
#include "shared/store/threads/messages.h"

struct memory_mark {
    struct uuid thread;
    struct text user;
    struct uuid agent; /* that alone knows what is learned; zero: all do */
};

struct memory_mark_state {
    int64_t position;    /* of the last message that was gone through; 0: none was */
    struct text pending; /* JSON object; TEXT_NONE: nothing is */
};

/* For a run (zero: for nobody), which must be there where no mark is yet. THREAD_MISSING, also
 * where the run is. */
SUSPENDS MUSTCHECK int memory_marks_open(const struct store *store, const struct memory_mark *mark,
                                         struct uuid run, struct memory_mark_state *out,
                                         struct error *err);

/* Notes what is to be kept of the messages behind `position`. MARK_MOVED: somebody else did. */
SUSPENDS MUSTCHECK int memory_marks_pend(const struct store *store, const struct memory_mark *mark,
                                         int64_t position, struct text pending, struct error *err);

/* All up to `to` was gone through and is kept: the mark moves from `position`, and nothing is
 * pending. Where that was done before it is done. */
SUSPENDS MUSTCHECK int memory_marks_settle(const struct store *store,
                                           const struct memory_mark *mark, int64_t position,
                                           int64_t to, struct error *err);

/* What was said, by the user or to him. */
struct thread_saying {
    int64_t position;
    enum message_role role; /* user or assistant */
    struct text text;       /* as much of it as was asked for; not empty */
};

struct thread_sayings {
    struct thread_saying *items;
    size_t count;
    int64_t to;    /* the position up to which was looked */
    bool has_more; /* behind `to` */
};

/* Visible messages behind `position`, the oldest first: at most `limit` of them are looked at, with
 * `chars` characters of each. Left out are those of other users and answers to them, those of
 * runs that are not to learn, what tools exchanged, and what says nothing. */
SUSPENDS MUSTCHECK int thread_sayings(const struct store *store, const struct memory_mark *mark,
                                      int64_t position, int limit, int chars,
                                      struct thread_sayings *out, struct error *err);
