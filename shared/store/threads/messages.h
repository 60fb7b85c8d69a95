#pragma once
/* The messages of threads. Order is `position`, a number that Postgres gives, never ids or clocks.
 *
 * `content` is a JSON array of the API's content parts. `hidden` messages (tool results, and
 * assistant messages that carry only tool calls) are part of the history that the model sees, and
 * are left out of what the API lists. Workers write theirs through run_writer.h.
 *
 * `opaque` is what the provider that wrote a message wants back with it: a worker stores it and
 * gives it back as it is, and nobody else sees it.
 */

#include "shared/store/store.h"
#include "shared/store/threads/drafts.h"

struct message {
    struct uuid id;
    struct uuid thread_id;
    struct uuid run_id;   /* zero: not written by a run */
    struct uuid agent_id; /* zero: not written by a run */
    int64_t position;
    int64_t seq; /* place among its run's messages; 0 when not written by a run */
    enum message_role role;
    bool hidden;
    struct text content;           /* JSON array of parts */
    struct text tool_calls;        /* JSON array [{id,name,arguments,said}] */
    struct text tool_call_id;      /* role tool */
    struct text opaque;            /* JSON; read with histories only. TEXT_NONE: none */
    struct text attachments;       /* JSON */
    struct text metadata;          /* JSON object */
    struct text status;            /* "completed", "incomplete" */
    struct text incomplete_reason; /* of an incomplete one: "max_tokens", …; TEXT_NONE: none */
    int64_t created_at;
    int64_t tokens;        /* not of histories, as all below */
    struct text tool_name; /* role tool */
    struct text waits;     /* of input that has not joined the thread: "queue" or "steer" */
};

struct message_list {
    struct message *items;
    size_t count;
    bool has_more;
};

/* Adds one that is said in the open (draft_is_said); the texts of *out are the draft's. `title` is
 * the thread's where it has none and this is its first message; TEXT_NONE: none. THREAD_MISSING;
 * THREAD_TOO_LARGE; USER_OVER_QUOTA; THREAD_BUSY with the active run in *out_active (may be
 * NULL). */
SUSPENDS MUSTCHECK int messages_create(const struct store *store, struct uuid thread,
                                       const struct message_draft *draft, struct text title,
                                       struct message *out, struct uuid *out_active,
                                       struct error *err);

/* Adds several of whatever kind, in this order, all or none; out[] has room for them. As
 * messages_create otherwise. -E_CONFLICT when an id exists; -E_LIMIT: more than
 * MESSAGE_DRAFTS_MAX. */
SUSPENDS MUSTCHECK int messages_add(const struct store *store, struct uuid thread,
                                    const struct message_draft *drafts, size_t count,
                                    struct text title, struct message *out, struct uuid *out_active,
                                    struct error *err);

/* Also one that waits (inputs.h). MESSAGE_MISSING, also for a hidden one. */
SUSPENDS MUSTCHECK int messages_get(const struct store *store, struct uuid thread, struct uuid id,
                                    struct message *out, struct error *err);

/* Which messages of a thread; all zero: those that people see. */
struct message_filter {
    struct uuid run;         /* only those that this run wrote; zero: any */
    struct uuid came_with;   /* only those that this run brought; zero: any */
    struct uuid pending_for; /* only those that this agent has not seen, and input that waits; zero:
                                any (seen.h) */
    bool hidden;             /* hidden ones, too, with what the tools exchanged */
};

/* A cursor need not exist any more. THREAD_MISSING; CURSOR_MISSING: it is in another thread, or it
 * did not come with that run. */
SUSPENDS MUSTCHECK int messages_list(const struct store *store, struct uuid thread,
                                     const struct message_filter *filter, const struct page *page,
                                     struct message_list *out, struct error *err);

#define MESSAGES_FIND_MAX       1000
#define MESSAGES_FIND_BYTES_MAX ((int64_t)16 << 20) /* of all of them */

/* Those of the tenant that have these ids, in whatever threads, in the order of their positions;
 * hidden ones, too. With what came of the calls of those that a run has written. What is over
 * MESSAGES_FIND_BYTES_MAX together is left out, results first, and `has_more` tells it. */
SUSPENDS MUSTCHECK int messages_find(const struct store *store, const struct uuid *ids,
                                     size_t count, struct message_list *out, struct error *err);

/* Replaces the metadata; of one that waits, too. MESSAGE_MISSING. */
SUSPENDS MUSTCHECK int messages_update(const struct store *store, struct uuid thread,
                                       struct uuid id, struct text metadata, struct message *out,
                                       struct error *err);

/* Input that waits is taken back. MESSAGE_MISSING; THREAD_BUSY with the active run in *out_active
 * (may be NULL): a run's history does not change under it. */
SUSPENDS MUSTCHECK int messages_delete(const struct store *store, struct uuid thread,
                                       struct uuid id, struct uuid *out_active, struct error *err);

/* Also one that is hidden; and with a message that has calls, what came of them in its run. The
 * same conditions; input that waits is not found. */
SUSPENDS MUSTCHECK int messages_delete_exchange(const struct store *store, struct uuid thread,
                                                struct uuid id, struct uuid *out_active,
                                                struct error *err);

/* What a worker reads of a thread. */
enum history_part {
    HISTORY_NEWEST, /* its newest messages */
    HISTORY_NEW,   /* of these, what stands behind the last answer (of a model or a tool) that `run`
                     * has neither written nor brought; a zero run: behind the last of all */
    HISTORY_FIRST, /* its first messages, before the position `before` */
    HISTORY_AFTER, /* its newest messages, behind the position `after` */
};

/* Messages of a thread, hidden ones included, oldest first, as many of the part as fit both limits
 * (all texts of a message count), and always at least the newest, or of HISTORY_FIRST the first. An
 * unknown thread gives none. */
struct history_limits {
    int count;     /* 1..PAGE_LIMIT_MAX */
    int64_t bytes; /* > 0 */
    enum history_part part;
    struct uuid run;
    int64_t before;
    int64_t after;
};

/* out->has_more: there were more of the part than the limits let through. store->tenant must be the
 * thread's. For many at once: histories.h. */
SUSPENDS MUSTCHECK int messages_history(const struct store *store, struct uuid thread,
                                        const struct history_limits *limits,
                                        struct message_list *out, struct error *err);

/* How many bytes of it the database has stored, at most limits->bytes: less than the history, where
 * they are compressed, and found without reading them. */
SUSPENDS MUSTCHECK int messages_history_stored(const struct store *store, struct uuid thread,
                                               const struct history_limits *limits, int64_t *out,
                                               struct error *err);

/* How many bytes that would be. The database reads them for that. */
SUSPENDS MUSTCHECK int messages_history_bytes(const struct store *store, struct uuid thread,
                                              const struct history_limits *limits, int64_t *out,
                                              struct error *err);

/* The messages between two positions: how many, the first and the last. It looks at all of them, so
 * this is for who explains what was left out, and not for runs. */
struct message_gap {
    int64_t count;
    struct uuid first; /* zero: there is none */
    struct uuid last;
};

SUSPENDS MUSTCHECK int messages_gap(const struct store *store, struct uuid thread, int64_t after,
                                    int64_t before, struct message_gap *out, struct error *err);
