#pragma once
/* Agents ("assistants" in the API) with their versions.
 *
 * An agent's `spec` is one JSON object with the fields as the API shows them, and ours. Each update
 * makes a new version; runs freeze what they need when they are created, so an update never changes
 * a run under way. A deleted agent can no longer be got, listed or run; its versions stay.
 */

#include "shared/store/store.h"

struct agent {
    struct uuid id;
    int64_t version;
    struct text name; /* TEXT_NONE: no name */
    struct text spec; /* JSON object */
    int64_t created_at;
    int64_t updated_at;
    struct uuid created_by; /* the key it was made with; zero: not known */
};

struct agent_list {
    struct agent *items;
    size_t count;
    bool has_more;
};

/* `id` is the caller's choice (uuid_new()), so that it can look after an ambiguous failure. */
struct agent_draft {
    struct uuid id;
    struct text name;         /* TEXT_NONE: no name */
    struct text slug;         /* TEXT_NONE: none */
    struct text spec;         /* JSON object */
    struct uuid created_by;   /* agents_create: the key it is made with */
    int64_t expected_version; /* agents_update: refuse if it is not this one; 0: any */
};

/* Version 1. Returns 0, or -E_CONFLICT when the id exists, or another agent has the slug. */
SUSPENDS MUSTCHECK int agents_create(const struct store *store, const struct agent_draft *draft,
                                     struct agent *out, struct error *err);

/* AGENT_MISSING. */
SUSPENDS MUSTCHECK int agents_get(const struct store *store, struct uuid id, struct agent *out,
                                  struct error *err);

/* The id of the agent that has the slug. AGENT_MISSING. */
SUSPENDS MUSTCHECK int agents_find(const struct store *store, struct text slug, struct uuid *out,
                                   struct error *err);

/* Whether there is such an agent, or with `deleted` was one. Returns 0, or AGENT_MISSING. */
SUSPENDS MUSTCHECK int agents_exists(const struct store *store, struct uuid id, bool deleted,
                                     struct error *err);

/* As agents_get, if its spec has SMALL_BYTES_MAX or less; *out_bytes are what it has.
 * AGENT_MISSING; AGENT_LARGE with *out but for the spec, which was not read. */
SUSPENDS MUSTCHECK int agents_look(const struct store *store, struct uuid id, struct agent *out,
                                   size_t *out_bytes, struct error *err);

/* One version, also of a deleted agent: name is TEXT_NONE, updated_at that version's time.
 * AGENT_MISSING. */
SUSPENDS MUSTCHECK int agents_get_version(const struct store *store, struct uuid id,
                                          int64_t version, struct agent *out, struct error *err);

/* The versions `from` to `to` that there are, as agents_get_version gives them, in the order and
 * within the limits of the page, whose cursors are not looked at. An agent that does not exist has
 * none. */
SUSPENDS MUSTCHECK int agents_list_versions(const struct store *store, struct uuid id, int64_t from,
                                            int64_t to, const struct page *page,
                                            struct agent_list *out, struct error *err);

/* In order of creation (of ids). A cursor need not exist any more. */
SUSPENDS MUSTCHECK int agents_list(const struct store *store, const struct page *page,
                                   struct agent_list *out, struct error *err);

/* Of an agent: older ones are forgotten when a new one comes. */
#define AGENT_VERSIONS_KEPT 1000

/* Replaces name, slug and spec as the next version. AGENT_MISSING; AGENT_CHANGED: nothing was
 * written; -E_CONFLICT: another agent has the slug. */
SUSPENDS MUSTCHECK int agents_update(const struct store *store, const struct agent_draft *draft,
                                     struct agent *out, struct error *err);

/* AGENT_MISSING. Runs under way go on. */
SUSPENDS MUSTCHECK int agents_delete(const struct store *store, struct uuid id, struct error *err);
