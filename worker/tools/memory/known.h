#pragma once
/* What is known of the user of a run: looked for and kept, by the life of runs and by tools alike.
 */

#include "providers/vectors/vectors.h"
#include "shared/base/compiler.h"
#include "shared/memories/memory_search.h"
#include "shared/recall/memory_text.h"

struct error;

/* Whose it is, and by what means. */
struct known_place {
    const struct vectors_means *means;
    struct pg *pg;
    struct uuid tenant;
    int64_t requests_per_minute; /* of the tenant; 0: no limit */
    int64_t tokens_per_minute;
    struct text user;
    struct uuid run;   /* for which it is done */
    struct uuid agent; /* whose knowledge it is, beside what all know */
    int64_t deadline_ms;
    struct arena *arena; /* for what is found */
};

struct known_wanted {
    struct text question;
    unsigned kinds; /* a bit each; 0: all */
    int limit;
    double threshold; /* negative: the default */
};

/* Where the question can't become a vector its words count alone, and out->degraded is set. */
SUSPENDS MUSTCHECK int known_search(const struct known_place *place,
                                    const struct known_wanted *wanted, struct memory_findings *out,
                                    struct error *err);

/* What is kept of a text beside it; without a vector where none can be had now. `made` outlives
 * *out. */
SUSPENDS MUSTCHECK int known_content(const struct known_place *place,
                                     const struct memory_text *made, struct memory_content *out,
                                     struct error *err);

/* As memories_put, or, where `old` is not zero, as memories_supersede; what lives no more or has
 * changed is left as it is, and the new one kept beside it. Where the user has as many as may be,
 * those that were not needed for longest make room. */
SUSPENDS MUSTCHECK int known_keep(const struct known_place *place, struct uuid old,
                                  int64_t old_version, const struct memory_draft *draft,
                                  struct memory *out, struct error *err);
