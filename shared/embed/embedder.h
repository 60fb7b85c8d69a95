#pragma once
/* A text as a vector, made without a model or a network: texts that share words, stems, parts of
 * words or neighbouring words point the same way. It knows no meanings, so "car" is as far from
 * "automobile" as from "tree"; for that a provider's model is needed.
 *
 * Each feature of a text adds its weight to places that its hash names, with a sign that it names
 * as well, so that features that fall together cancel as often as they add (feature hashing:
 * Weinberger et al., ICML 2009, arXiv 0902.2206; parts of words: Bojanowski et al., TACL 2017,
 * arXiv 1607.04606). The same text makes the same vector on each machine: vectors are stored, so
 * what changes them needs another EMBEDDER_MODEL. Pure.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define EMBEDDER_MODEL      "hashed-words-1"
#define EMBEDDER_DIMENSIONS 512

/* A text that comes in pieces of at most WORDS_TEXT_MAX (words.h). Begins with zeros. */
struct embedder {
    float sums[EMBEDDER_DIMENSIONS];
    uint64_t before; /* the hash of the last word that is not common */
};

/* Returns 0, or -E_INVALID or -E_LIMIT as words_each. A piece takes up to some 10 ms. */
MUSTCHECK int embedder_add(struct embedder *embedder, struct text piece);

/* The vector, of length 1; all zeros where the text has no word. */
void embedder_finish(const struct embedder *embedder, float *out);

/* The cosine of two vectors of length 1. */
float embedder_similarity(const float *a, const float *b);
