#pragma once
/* What is known of users: pairs of a key and any JSON, each for all agents or for one alone.
 *
 * The name of a user is the tenant's own; nothing has to be there before something is known of him.
 * Writers of one user's memory wait for each other, so that MEMORY_KEYS_MAX is never exceeded;
 * readers, and whoever makes runs, wait for nobody. Writes belong on a connection that makes no
 * runs.
 */

#include "shared/store/store.h"

/* Keys of a user, of all agents and each agent together. */
#define MEMORY_KEYS_MAX 1000

/* Of a user, what all agents know or one alone. */
struct memory_key_scope {
    struct text user;
    struct uuid agent; /* zero: all agents */
};

struct memory_key {
    struct text key;
    struct text value; /* JSON */
    int64_t created_at;
    int64_t updated_at;
};

struct memory_key_list {
    struct memory_key *items;
    size_t count;
    bool has_more;
};

/* As struct page, with keys for cursors (TEXT_NONE: not given), which need not exist. */
struct memory_key_page {
    int limit;
    bool ascending; /* the order is that of the keys' bytes */
    struct text after;
    struct text before;
    int64_t bytes_max; /* 0: PAGE_BYTES_MAX */
};

/* Writes one, or another value of it. MEMORY_KEYS_FULL: nothing was written. */
SUSPENDS MUSTCHECK int memory_keys_put(const struct store *store,
                                       const struct memory_key_scope *scope, struct text key,
                                       struct text value, struct memory_key *out,
                                       struct error *err);

/* Makes the scope know what the JSON object says, and nothing else. Keys that stay keep their
 * created_at. Returns 0 with the number of keys; MEMORY_KEYS_FULL: nothing was written. */
SUSPENDS MUSTCHECK int memory_keys_replace(const struct store *store,
                                           const struct memory_key_scope *scope, struct text object,
                                           int64_t *out_count, struct error *err);

/* MEMORY_KEY_MISSING. */
SUSPENDS MUSTCHECK int memory_keys_get(const struct store *store,
                                       const struct memory_key_scope *scope, struct text key,
                                       struct memory_key *out, struct error *err);

SUSPENDS MUSTCHECK int memory_keys_list(const struct store *store,
                                        const struct memory_key_scope *scope,
                                        const struct memory_key_page *page,
                                        struct memory_key_list *out, struct error *err);

/* Forgets one key of the scope, or all (key TEXT_NONE). What is not there is forgotten already.
 * *out_removed: how many there were. */
SUSPENDS MUSTCHECK int memory_keys_delete(const struct store *store,
                                          const struct memory_key_scope *scope, struct text key,
                                          int64_t *out_removed, struct error *err);

/* What an agent is told of a user. */
struct memory_key_recall {
    struct memory_key *items; /* those that were updated last come first */
    size_t count;
    size_t left_out; /* that many more were updated before those, and were not read */
};

/* What is known to scope->agent, which is not zero: its own, and what all agents know under other
 * keys. Items are read until their keys and values take `bytes` or a little more as text. */
SUSPENDS MUSTCHECK int memory_keys_recall(const struct store *store,
                                          const struct memory_key_scope *scope, int64_t bytes,
                                          struct memory_key_recall *out, struct error *err);

/* The value that a key has for scope->agent, by the same rule. MEMORY_KEY_MISSING. */
SUSPENDS MUSTCHECK int memory_keys_recall_key(const struct store *store,
                                              const struct memory_key_scope *scope, struct text key,
                                              struct memory_key *out, struct error *err);
