#pragma once
/* Models that are known by name, as data. An agent that was written for another server names its
 * model barely ("gpt-4o"): the row says who serves it. What is known of a model by any name comes
 * from here, too: how much it reads and how much it says.
 *
 * docs/models.md is made from the table by unit_providers_core, which compares the two.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct model_info {
    const char *name;          /* covers its variants, "NAME-anything", unless a longer row does */
    const char *provider;      /* who serves it when it is named barely */
    int64_t context_tokens;    /* prompt and answer together */
    int64_t output_tokens_max; /* of one answer; 0: not limited beyond the context, or not known */
};

/* The row of the model, or of the name before a "-suffix"; the longest wins. NULL: none. */
const struct model_info *model_find(struct text name);

/* All rows, in the table's order; returns how many. */
size_t models_all(const struct model_info **out);
