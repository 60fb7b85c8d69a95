#pragma once
/* What a call of a model cost. Pure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"

/* In micro-dollars. Where the provider says what it cost, that; else by the tokens, rounded once:
 * half a micro-dollar and more is one. Tokens read from a cache,
 * tokens written to it and all others of the input have prices of their own, and so have reasoning
 * and all other tokens of the output. What a provider counts as cached beyond its input counts as
 * input once. Negative numbers count as 0, those above CHAT_TOKENS_MAX as that. */
int64_t model_cost_micros(const struct model_prices *prices, const struct chat_usage *usage);
