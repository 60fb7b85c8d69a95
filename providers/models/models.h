#pragma once
/* Models that are known by name, as data: models.yaml, compiled in. An agent that was written for
 * another server names its model barely ("gpt-4o"): the row says who serves it. What is known of a
 * model by any name comes from here, too: how much it reads and says, what it can do, what it
 * costs, how often it may be called.
 *
 * docs/models.md is made from the table by unit_providers_core, which compares the two.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct config_model;

/* What a model takes. Where a member is false, provider_call does without: see abilities.h. */
struct model_abilities {
    bool tools;
    bool images;
    bool structured_output;
    bool reasoning_effort;
};

/* How often it may be called, as far as that is known before the provider says so; 0: no limit. */
struct model_limits {
    int64_t requests_per_minute;
    int64_t tokens_per_minute; /* read and written together */
    int64_t input_tokens_per_minute;
    int64_t output_tokens_per_minute;
    int64_t requests_per_day;
    int64_t tokens_per_day;
    int64_t concurrent_calls;
};

/* Micro-dollars for a million tokens. */
struct model_prices {
    int64_t input;
    int64_t cached_input;
    int64_t cache_write;
    int64_t output;
    int64_t reasoning;
};

struct model_info {
    const char *name;
    const char *provider;      /* who serves it when it is named barely */
    int64_t context_tokens;    /* prompt and answer together; 0: not known */
    int64_t output_tokens_max; /* of one answer; 0: not limited beyond the context, or not known */
    struct model_abilities abilities;
    struct model_limits limits;
    struct model_prices prices;
};

/* Of a model of which nothing is known: it takes tools, images, schemas and a reasoning effort as
 * the request has them (the provider refuses what it does not), has no limits and costs nothing. */
extern const struct model_info model_unknown;

/* The table; made once, by the first who asks. Lifetime: process. */
size_t models_all(const struct model_info **out);

/* The row of the model, or of the name before a "-suffix" or ":tag"; the longest wins. NULL: none.
 * *out_same (may be NULL) tells whether limits and prices hold, too: it is that name, or a dated or
 * numbered one of it, or its latest or preview. */
const struct model_info *model_find(struct text name, bool *out_same);

/* What the entry of a configuration says, over what `base` does. */
void model_info_apply(const struct config_model *entry, struct model_info *base);
