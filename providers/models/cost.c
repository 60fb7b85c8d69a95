/* What a call cost.
 *
 * Prices are for a million tokens, so a product has six digits too many; those of all parts are
 * added up before the one rounding. A price is split into its millions and the rest: so no product
 * leaves an int64_t, with a billion tokens at a dollar each. */

#include "providers/models/cost.h"

#define TOKENS_OF_PRICE 1000000

/* A sum of products of tokens and prices. */
struct sum {
    int64_t micros;
    int64_t millionths; /* of a micro-dollar */
};

static int64_t bounded(int64_t tokens, int64_t max)
{
    if (tokens < 0)
        return 0;
    return tokens < max ? tokens : max;
}

static void add(struct sum *sum, int64_t tokens, int64_t price)
{
    sum->micros += tokens * (price / TOKENS_OF_PRICE);
    sum->millionths += tokens * (price % TOKENS_OF_PRICE);
}

int64_t model_cost_micros(const struct model_prices *prices, const struct chat_usage *usage)
{
    int64_t input = bounded(usage->input_tokens, CHAT_TOKENS_MAX);
    int64_t output = bounded(usage->output_tokens, CHAT_TOKENS_MAX);
    int64_t cached = bounded(usage->cached_input_tokens, input);
    int64_t written = bounded(usage->cache_write_tokens, input - cached);
    int64_t reasoning = bounded(usage->reasoning_tokens, output);
    struct sum sum = {0};

    if (usage->told_micros > 0)
        return usage->told_micros;
    add(&sum, input - cached - written, prices->input);
    add(&sum, cached, prices->cached_input);
    add(&sum, written, prices->cache_write);
    add(&sum, output - reasoning, prices->output);
    add(&sum, reasoning, prices->reasoning);
    return sum.micros + (sum.millionths + TOKENS_OF_PRICE / 2) / TOKENS_OF_PRICE;
}
