#pragma once
/* Messages as they are found by what they are about: the tables message_vectors and thread_vectors,
 * and the turns that what was found belongs to. */

#include "shared/store/store.h"

/* Of a thread's messages: all from `oldest` to `newest` have theirs, of this model. */
struct vectors_range {
    struct text model; /* TEXT_NONE: none has */
    int64_t oldest;
    int64_t newest;
};

/* Returns 0, also where there is nothing yet. */
SUSPENDS MUSTCHECK int message_vectors_range(const struct store *store, struct uuid thread,
                                             struct vectors_range *out, struct error *err);

/* A message that may have no vector yet. */
struct message_words {
    struct uuid id;
    int64_t position;
    struct text text; /* its beginning; TEXT_NONE: nobody said it in words, or it has its vector */
};

struct message_words_list {
    struct message_words *items; /* newest first */
    size_t count;
};

#define MESSAGE_WORDS_MAX 100

/* The newest messages of the thread between two positions, both exclusive, up to
 * MESSAGE_WORDS_MAX. */
SUSPENDS MUSTCHECK int message_vectors_missing(const struct store *store, struct uuid thread,
                                               struct text model, int64_t above, int64_t below,
                                               struct message_words_list *out, struct error *err);

struct message_vector {
    struct uuid id;
    int64_t position;
    const int64_t *words; /* distinct */
    size_t words_count;
    struct text vector; /* TEXT_NONE: none */
};

/* Keeps those of messages that are still there, and what the thread has then. All vectors are of
 * one length. */
SUSPENDS MUSTCHECK int message_vectors_keep(const struct store *store, struct uuid thread,
                                            const struct message_vector *items, size_t count,
                                            const struct vectors_range *range, struct error *err);

/* What a choice is made from: a message by its vector, or by its words. */
struct message_near {
    int64_t position;
    struct text vector; /* TEXT_NONE: it has none of this model */
    uint64_t words;     /* a bit for each of the words that were asked for, in their order */
};

struct message_near_list {
    struct message_near *items; /* newest first */
    size_t count;
};

#define MESSAGE_NEAR_MAX   500
#define MESSAGE_NEAR_WORDS 48

/* The newest messages below a position, with their vectors: up to MESSAGE_NEAR_MAX, of any model.
 * Fewer: there are no others. */
SUSPENDS MUSTCHECK int message_vectors_newest(const struct store *store, struct uuid thread,
                                              struct text model, int64_t below,
                                              struct message_near_list *out, struct error *err);

/* The newest messages below a position that have one of these words (at most MESSAGE_NEAR_WORDS),
 * up to MESSAGE_NEAR_MAX. */
SUSPENDS MUSTCHECK int message_vectors_by_words(const struct store *store, struct uuid thread,
                                                const int64_t *words, size_t words_count,
                                                int64_t below, struct message_near_list *out,
                                                struct error *err);

/* A message of the turn of a hit: it begins with a message of the user and ends before the next one
 * that follows an answer. */
struct turn_message {
    size_t hit; /* whose turn it is */
    int64_t position;
    int64_t next; /* of the message behind it in the thread; 0: it is the last one */
    int64_t bytes;
    bool of_user;
    bool calls; /* it calls tools */
};

struct turn_message_list {
    struct turn_message *items; /* by hit, oldest first */
    size_t count;
};

/* More messages than this a turn does not give: of a longer one so many come, and one more. */
#define TURN_MESSAGES_MAX 32

/* The turns of messages, as far as they lie below a position. */
SUSPENDS MUSTCHECK int message_vectors_turns(const struct store *store, struct uuid thread,
                                             const int64_t *hits, size_t count, int64_t below,
                                             struct turn_message_list *out, struct error *err);
