#pragma once
/* What webhooks tell of: the types of events, and the filters by which an endpoint chooses. Pure.
 *
 * A filter is a type ("run.completed"), a family ("run.*"), or "*", which is all but the family
 * "response": that says the same as "run", in OpenAI's words, of runs that the Responses API
 * made. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct hook_type {
    const char *name;
    const char *what; /* a sentence */
};

/* All that are known by name. Families may have more: see hook_filter_fits. */
extern const struct hook_type hook_types[];
extern const size_t hook_types_count;

/* Whether something of that name may ever be told. */
bool hook_filter_fits(struct text filter);

/* As SQL's penstock_webhook_wants. */
bool hook_filter_wants(struct text filter, struct text type);

/* What `data` of an event of this type looks like, as JSON, of nothing that is there. NULL: there
 * is no such type. */
const char *hook_sample(struct text type);

#define HOOK_TYPE_MAX    64 /* characters */
#define HOOK_FILTERS_MAX 50
