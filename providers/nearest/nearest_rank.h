#pragma once
/* Which messages are near, of those that were found by their vectors and by words; and the turns
 * that they belong to, put together. Pure. */

#include "shared/base/compiler.h"
#include "shared/store/leases/run_nearest.h"
#include "shared/store/vectors/message_vectors.h"

/* A message, and how near it is. */
struct nearest_hit {
    int64_t position;
    float cosine;   /* of its vector; NEAREST_NO_COSINE: it has none */
    uint64_t words; /* of those that were asked for */
    float score;
};

#define NEAREST_NO_COSINE (-2.0F)

/* Adds what was found by words to what was found by vectors. Both are sorted by position, newest
 * first; `hits` has room for both. Returns how many there are. */
size_t nearest_merge(struct nearest_hit *hits, size_t count, const struct message_near_list *words);

/* Sets the scores: of a vector and of words, where each word counts as much as it is rare. Puts the
 * best in front, the newer before the older of the same, and returns how many of them reach the
 * threshold: at most `most`. `words` is how many were asked for. */
size_t nearest_rank(struct nearest_hit *hits, size_t count, size_t words, float threshold,
                    size_t most);

/* What is chosen in the end: the turns of the best hits, each once, up to top_k of them and `bytes`
 * in all. Turns of more than TURN_MESSAGES_MAX messages are given by their question and the hit,
 * where that calls nothing. out->positions has room for two numbers for each of `messages`. */
void nearest_gather(const struct nearest_hit *hits, size_t hits_count,
                    const struct turn_message_list *messages, size_t top_k, int64_t bytes,
                    int64_t below, struct nearest_choice *out);
