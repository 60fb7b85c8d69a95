#pragma once
/* Agents as others are offered them: those that have a slug and are active, by what it takes to
 * choose one. */

#include "shared/store/store.h"

struct offered_agent {
    struct uuid id;
    struct text slug;
    struct text name;        /* TEXT_NONE: none */
    struct text description; /* the same; of a long one its beginning */
};

struct offered_agents {
    struct offered_agent *items;
    size_t count;
    bool has_more;
};

#define OFFERED_PAGE_MAX        100
#define OFFERED_DESCRIPTION_MAX 2048 /* characters */

/* Those behind `after` (zero: from the first one) in order of creation, up to OFFERED_PAGE_MAX of
 * them. The cursor need not exist any more. */
SUSPENDS MUSTCHECK int agents_offered(const struct store *store, struct uuid after,
                                      struct offered_agents *out, struct error *err);
