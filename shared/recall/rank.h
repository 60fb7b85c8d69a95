#pragma once
/* Which of a user's memories a question is about: by the words that they share, and by how near
 * their vectors are where there are vectors. Pure, and quick enough for ten thousand of them, but
 * for a thread, not for the loop.
 *
 * A word that both have says the more, the fewer memories have it (BM25: Robertson and Zaragoza,
 * 2009), and less where it is one of everyday language (everyday_words.h). One that is nearly the
 * same, as another ending or a typing error make it, counts for less the less alike they are. What
 * words say is summed up in nats, with what the vector says; score = sum / (sum + 4), so it is 0
 * for what has nothing to do with the question, 0.5 or so for a rare word in common, and below 1.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* Below this a memory shares no more with the question than chance does. */
#define RECALL_THRESHOLD_DEFAULT 0.3F

/* What a similarity of 1 says, in nats: of the model that is built in, which knows the same words
 * again; and of others, which know meanings. */
#define RECALL_NATS_BUILTIN 3.0F
#define RECALL_NATS_MODEL   8.0F

struct recall_document {
    struct text words; /* memory_text.h */
    float similarity;  /* cosine to the question's vector; NAN: not known */
    int64_t updated_ms;
};

struct recall_question {
    struct text words;     /* of which the first WORD_INDEX_MAX are looked at (word_index.h) */
    uint64_t seed;         /* any number; another one each time */
    float similarity_nats; /* 0: similarities do not count */
    float threshold;       /* of a score */
    size_t limit;
};

struct recall_hit {
    size_t index; /* of the document */
    float score;
};

/* Writes at most question->limit hits, best first; of those that are equally good the one that was
 * updated last. Of memories that say nearly the same, one is chosen before others have had their
 * turn. Returns how many there are. */
size_t recall_rank(const struct recall_question *question, const struct recall_document *documents,
                   size_t count, struct recall_hit *hits);
