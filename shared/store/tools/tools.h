#pragma once
/* Declared tools of a tenant. Agents name them by their names; a run has a copy of the definition,
 * so what becomes of a tool concerns the runs that are made from then on. */

#include "shared/store/store.h"

#define TENANT_TOOLS_MAX 1000 /* of a tenant */

struct stored_tool {
    struct uuid id;
    struct text name;
    int64_t version;        /* from 1 on */
    struct text definition; /* JSON object */
    struct text secrets;    /* JSON array of the names of those that it refers to */
    int64_t created_at;
    int64_t updated_at;
};

struct stored_tool_list {
    struct stored_tool *items;
    size_t count;
    bool has_more;
};

struct tool_draft {
    struct uuid id;
    struct text name;
    struct text definition; /* JSON object */
    const struct text *secrets;
    size_t secrets_count;
};

/* TOOLS_FULL. -E_CONFLICT: the id or the name is taken. */
SUSPENDS MUSTCHECK int tools_create(const struct store *store, const struct tool_draft *draft,
                                    struct stored_tool *out, struct error *err);

/* Its next definition and secrets. TOOL_MISSING: it is gone, or has another version than
 * `version`. */
SUSPENDS MUSTCHECK int tools_update(const struct store *store, const struct tool_draft *draft,
                                    int64_t version, struct stored_tool *out, struct error *err);

/* By its id, or where that is zero by its name. TOOL_MISSING. */
SUSPENDS MUSTCHECK int tools_get(const struct store *store, struct uuid id, struct text name,
                                 struct stored_tool *out, struct error *err);

SUSPENDS MUSTCHECK int tools_list(const struct store *store, const struct page *page,
                                  struct stored_tool_list *out, struct error *err);

/* Those of these names that there are. */
SUSPENDS MUSTCHECK int tools_named(const struct store *store, const struct text *names,
                                   size_t count, struct stored_tool_list *out, struct error *err);

/* The names of all, in their order. */
SUSPENDS MUSTCHECK int tools_names(const struct store *store, struct text **out, size_t *out_count,
                                   struct error *err);

/* Who names a tool. */
struct tool_user {
    struct uuid agent;
    struct text name; /* TEXT_NONE: it has none */
};

#define TOOL_USERS_SHOWN 3

/* Deletes it where no agent names it. Returns 0; TOOL_MISSING; or TOOL_USED, with the first of
 * those agents. */
SUSPENDS MUSTCHECK int tools_delete(const struct store *store, struct uuid id, struct text name,
                                    struct tool_user out_users[TOOL_USERS_SHOWN],
                                    size_t *out_users_count, struct error *err);
