/* What is known of models that are served. */

#include "providers/gate/known.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/base/memory.h"

#define KNOWN_MAX     1024
#define ANSWER_TOKENS 300 /* until one was seen */

/* How long a key is left out that was refused, and one whose quota is used up. */
#define REFUSED_OUT_MS INT64_C(60000)
#define QUOTA_OUT_MS   INT64_C(300000)
#define OUT_MAX_MS     INT64_C(3600000)
#define OUT_DOUBLED    6 /* which is above OUT_MAX_MS */

static bool is_name(const struct lru_entry *entry, const void *name)
{
    return strcmp(CONTAINER_OF(entry, struct known, entry)->name, name) == 0;
}

static void drop(struct lru_entry *entry)
{
    struct known *known = CONTAINER_OF(entry, struct known, entry);

    list_remove(&known->open_link);
    free(known);
}

void known_init(struct known_table *table)
{
    list_init(&table->open);
    lru_init(&table->all, KNOWN_MAX, is_name, drop);
}

void known_deinit(struct known_table *table)
{
    lru_deinit(&table->all);
}

/* Longer names are shortened, to their beginning and a digest behind a '~', and so are those that
 * could be taken for a shortened one, or for more than one part. No two become the same. */
#define PROVIDER_BYTES 40
#define MODEL_BYTES    100
#define DIGEST_BYTES   12

static void add_part(const char *name, size_t max, const char *reserved, char *out)
{
    struct text kept =
        text_prefix((struct text){name, strcspn(name, reserved)}, max - 1 - DIGEST_BYTES);
    char digest[SHA256_TEXT_SIZE];

    if (strlen(name) <= max && !strpbrk(name, reserved)) {
        (void)snprintf(out, max + 1, "%s", name);
        return;
    }
    sha256_hex(text_of(name), digest);
    (void)snprintf(out, max + 1, "%.*s~%.*s", TEXT_ARGS(kept), DIGEST_BYTES, digest);
}

void known_name(const struct provider_target *target, const char *key_id, char out[KNOWN_NAME_SIZE])
{
    char provider[PROVIDER_BYTES + 1];
    char model[MODEL_BYTES + 1];

    add_part(target->provider_name, PROVIDER_BYTES, ":~", provider);
    add_part(target->model, MODEL_BYTES, "~", model);
    (void)snprintf(out, KNOWN_NAME_SIZE, KNOWN_PREFIX "%s:%s:%s", provider, key_id, model);
}

struct known *known_of(struct known_table *table, const char *name)
{
    uint64_t hash = text_hash(text_of(name));
    struct lru_entry *entry = lru_find(&table->all, hash, name);
    struct known *known;

    if (entry)
        return CONTAINER_OF(entry, struct known, entry);
    known = xcalloc(1, sizeof(*known));
    (void)snprintf(known->name, sizeof(known->name), "%s", name);
    known->answer_tokens = ANSWER_TOKENS;
    list_init(&known->open_link);
    lru_add(&table->all, hash, &known->entry);
    return known;
}

static void set(int64_t said, int64_t known, int64_t *out)
{
    *out = said > 0 ? said : known;
}

struct limit_rates known_rates(const struct known *known, const struct model_limits *limits)
{
    struct limit_rates rates = {.calls = limits->concurrent_calls};
    const int64_t *said = known->said.of;

    set(said[LIMIT_REQUESTS], limits->requests_per_minute, &rates.of[LIMIT_REQUESTS]);
    set(said[LIMIT_TOKENS], limits->tokens_per_minute, &rates.of[LIMIT_TOKENS]);
    set(said[LIMIT_INPUT_TOKENS], limits->input_tokens_per_minute, &rates.of[LIMIT_INPUT_TOKENS]);
    set(said[LIMIT_OUTPUT_TOKENS], limits->output_tokens_per_minute,
        &rates.of[LIMIT_OUTPUT_TOKENS]);
    set(said[LIMIT_REQUESTS_DAY], limits->requests_per_day, &rates.of[LIMIT_REQUESTS_DAY]);
    set(said[LIMIT_TOKENS_DAY], limits->tokens_per_day, &rates.of[LIMIT_TOKENS_DAY]);
    /* One that refused and did not say what it allows: no rate, but a hold for all. */
    if (!limit_rates_any(&rates) && clock_ms() < known->watched_until_ms)
        rates.of[LIMIT_REQUESTS] = INT64_C(1) << 30;
    return rates;
}

/* Providers name limits of a minute and of a day alike. What tells them apart is how long all of a
 * limit takes to come back: what was used of it comes back within the reset. Resets are rounded,
 * though, to a second for some; and where a provider counts by the minute in fixed windows the
 * reset is the rest of the window, however little was used: then, up to a minute, it is a day's
 * limit only if it comes back as slowly as one, by two replies in a row. */
#define ROUNDING_MS 1000
#define MINUTE_MS   60e3
#define HOUR_MS     3600e3
#define DAY_MS      86400e3

enum period { PERIOD_UNTOLD, PERIOD_MINUTE, PERIOD_PERHAPS_DAY, PERIOD_DAY };

static enum period period_of(int64_t limit, int64_t remaining, int64_t reset_ms)
{
    double parts;
    double least_ms;
    double most_ms;

    if (remaining < 0 || limit <= remaining || reset_ms < 0)
        return PERIOD_UNTOLD;
    parts = (double)limit / (double)(limit - remaining);
    least_ms = (double)(reset_ms - ROUNDING_MS) * parts;
    most_ms = (double)(reset_ms + ROUNDING_MS) * parts;
    if (most_ms <= HOUR_MS)
        return PERIOD_MINUTE;
    if ((double)reset_ms > MINUTE_MS + ROUNDING_MS)
        return least_ms > HOUR_MS ? PERIOD_DAY : PERIOD_UNTOLD;
    return least_ms > HOUR_MS && least_ms < DAY_MS * 1.05 && most_ms > DAY_MS * 0.95
               ? PERIOD_PERHAPS_DAY
               : PERIOD_UNTOLD;
}

/* A limit is of one period: the last word about which outranks those before. */
static void learn_rate(struct known *known, int64_t limit, enum period period,
                       enum limit_rate a_minute, enum limit_rate a_day)
{
    int64_t *said = known->said.of;
    bool again = known->perhaps_day[a_minute];
    bool daily = period == PERIOD_DAY || (period == PERIOD_PERHAPS_DAY && again) ||
                 (period != PERIOD_MINUTE && said[a_day] > 0);

    known->perhaps_day[a_minute] = period == PERIOD_PERHAPS_DAY;
    if (limit <= 0)
        return;
    said[a_minute] = daily ? 0 : limit;
    said[a_day] = daily ? limit : 0;
}

void known_learn_limits(struct known *known, const struct provider_limits *limits)
{
    learn_rate(
        known, limits->requests_limit,
        period_of(limits->requests_limit, limits->requests_remaining, limits->requests_reset_ms),
        LIMIT_REQUESTS, LIMIT_REQUESTS_DAY);
    learn_rate(known, limits->tokens_limit,
               period_of(limits->tokens_limit, limits->tokens_remaining, limits->tokens_reset_ms),
               LIMIT_TOKENS, LIMIT_TOKENS_DAY);
    set(limits->input_tokens_limit, known->said.of[LIMIT_INPUT_TOKENS],
        &known->said.of[LIMIT_INPUT_TOKENS]);
    set(limits->output_tokens_limit, known->said.of[LIMIT_OUTPUT_TOKENS],
        &known->said.of[LIMIT_OUTPUT_TOKENS]);
}

int64_t known_put_out(struct known *known, bool refused)
{
    int64_t out_ms = (refused ? REFUSED_OUT_MS : QUOTA_OUT_MS) << known->put_out;

    if (out_ms > OUT_MAX_MS)
        out_ms = OUT_MAX_MS;
    known->put_out += known->put_out < OUT_DOUBLED;
    known->out_until_ms = clock_ms() + out_ms;
    return out_ms;
}

void known_learn_answer(struct known *known, int64_t output_tokens)
{
    known->answer_tokens = known->answer_tokens * 0.9 + (double)output_tokens * 0.1;
}
