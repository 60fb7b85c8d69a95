#pragma once
/* What a run is told of its user, read when it is made. */

#include "shared/agent/spec.h"
#include "shared/base/compiler.h"
#include "shared/store/users/memory_keys.h"

struct remembered {
    struct text section;  /* of the prompt; empty: nothing is to be told */
    struct text timezone; /* of the user, as he or somebody named it; TEXT_NONE: not known */
};

/* Whether anything of a user matters to a run of this agent: it has "user_memory", or is a
 * template. */
bool remember_wanted(const struct agent_spec *spec);

/* For a run of scope->agent, with the user scope->user (TEXT_NONE: nobody is named). One small
 * query where something is wanted, none otherwise. Texts live in store->arena. Returns 0, or what
 * the store failed with. */
SUSPENDS MUSTCHECK int remember_user(const struct store *store, const struct agent_spec *spec,
                                     const struct memory_key_scope *scope,
                                     struct json_object *request, struct remembered *out,
                                     struct error *err);

/* The section alone, of any user, for an agent that has it. */
SUSPENDS MUSTCHECK int remember_section(const struct store *store, struct uuid agent,
                                        struct text user, struct text *out, struct error *err);
