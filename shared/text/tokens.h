#pragma once
/* How many tokens a text is, estimated without a vocabulary: each byte adds what it usually costs
 * behind the two bytes before it, and each Chinese character what it costs by itself. The tables
 * are made by tests/bench/tokens.mjs, and docs/tokens.md says how good they are: a kilobyte of
 * English, German, Chinese or code is 2 to 4 % away on average. Pure, one pass, no allocation.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* Published vocabularies of OpenAI's. Other vendors' are not published or too many: their models
 * are estimated by the first. */
enum tokens_vocabulary {
    TOKENS_O200K,  /* o200k_base: gpt-4o and all that came after it */
    TOKENS_CL100K, /* cl100k_base: gpt-4, gpt-3.5, text-embedding-3 */
};

/* Returns 0 for an empty text, else at least 1 and at most its bytes. Any bytes will do. */
int64_t tokens_estimate(struct text text, enum tokens_vocabulary vocabulary);
