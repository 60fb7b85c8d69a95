#pragma once
/* What this worker knows of models that are served: what a provider has said of a key's limits, how
 * long answers are, whether it answers at all. Inside the gate.
 *
 * Limits are those of a key and model. Whether a model answers, and how long its answers are, is
 * the same whichever key is used: where a provider has several keys this is kept under a name
 * without one. */

#include "providers/provider.h"
#include "shared/base/list.h"
#include "shared/base/lru.h"
#include "shared/limits/breaker.h"
#include "shared/limits/limits.h"

#define KNOWN_NAME_SIZE   200
#define KNOWN_TENANT_SIZE 64

/* Names are the buckets' keys in Redis. */
#define KNOWN_PREFIX "penstock:limit:"

struct known {
    struct lru_entry entry;
    struct list open_link; /* on open of its table, while its breaker is */
    struct breaker breaker;
    struct limit_rates said;       /* by the provider; 0: nothing */
    bool perhaps_day[LIMIT_RATES]; /* of a minute's rates: the last reply looked like a day's */
    double answer_tokens;          /* smoothed */
    int64_t watched_until_ms;
    int64_t out_until_ms; /* the key is refused, or its quota is used up */
    unsigned put_out;     /* how often in a row */
    char name[KNOWN_NAME_SIZE];
};

struct known_table {
    struct lru all;
    struct list open; /* those whose breaker is */
};

void known_init(struct known_table *table);
void known_deinit(struct known_table *table);

/* Of the target's model with one of its keys; key_id "": whichever. No two have the same name, and
 * the provider's part of it holds no ':'. */
void known_name(const struct provider_target *target, const char *key_id,
                char out[KNOWN_NAME_SIZE]);

/* What is known under a name: nothing, at first. It may be forgotten with the next one that is
 * asked for. */
struct known *known_of(struct known_table *table, const char *name);

/* What the table of models allows, and what the provider has said outranks it. */
struct limit_rates known_rates(const struct known *known, const struct model_limits *limits);

/* What a reply's headers say of the limits. Afterwards their "what is left" is a rest of the day's
 * where said names a limit of the day, and of the minute's where it does not. */
void known_learn_limits(struct known *known, const struct provider_limits *limits);

/* A key is left out that was refused, or whose quota is used up: for a minute or five, and twice as
 * long each time that it happens again in a row (put_out), up to an hour. Returns for how long. */
int64_t known_put_out(struct known *known, bool refused);

void known_learn_answer(struct known *known, int64_t output_tokens);
