/* How near a message is.
 *
 * A vector says what a text is about, and words say whether a name or a number is in it, which
 * vectors blur. A message without a vector has its words alone, and needs more of them. */

#include "providers/nearest/nearest_rank.h"

#include <math.h>
#include <stdlib.h>

#include "shared/base/memory.h"

#define VECTOR_PART 0.8F
#define WORDS_PART  0.2F
#define WORDS_ALONE 0.6F

/* ---- found ---- */

size_t nearest_merge(struct nearest_hit *hits, size_t count, const struct message_near_list *words)
{
    size_t total = count;
    size_t at = 0;

    for (size_t i = 0; i < words->count; i++) {
        const struct message_near *found = &words->items[i];

        while (at < count && hits[at].position > found->position)
            at++;
        if (at < count && hits[at].position == found->position)
            hits[at].words = found->words;
        else
            hits[total++] = (struct nearest_hit){
                .position = found->position, .cosine = NEAREST_NO_COSINE, .words = found->words};
    }
    return total;
}

/* ---- ranked ---- */

static void weigh(const struct nearest_hit *hits, size_t count, size_t words, double *weights)
{
    for (size_t w = 0; w < words; w++) {
        double has = 0;

        for (size_t i = 0; i < count; i++)
            has += (hits[i].words >> w) & 1;
        weights[w] = log(1 + ((double)count - has + 0.5) / (has + 0.5));
    }
}

static float words_of(const struct nearest_hit *hit, const double *weights, size_t words)
{
    double all = 0;
    double found = 0;

    for (size_t w = 0; w < words; w++) {
        all += weights[w];
        found += (hit->words >> w) & 1 ? weights[w] : 0;
    }
    return all > 0 ? (float)(found / all) : 0;
}

static int by_score(const void *a, const void *b)
{
    const struct nearest_hit *one = a;
    const struct nearest_hit *other = b;

    if (one->score != other->score)
        return one->score > other->score ? -1 : 1;
    return one->position > other->position ? -1 : one->position < other->position;
}

size_t nearest_rank(struct nearest_hit *hits, size_t count, size_t words, float threshold,
                    size_t most)
{
    double weights[MESSAGE_NEAR_WORDS] = {0};
    size_t near = 0;

    words = words < MESSAGE_NEAR_WORDS ? words : MESSAGE_NEAR_WORDS;
    weigh(hits, count, words, weights);
    for (size_t i = 0; i < count; i++) {
        float of_words = words_of(&hits[i], weights, words);

        hits[i].score = hits[i].cosine == NEAREST_NO_COSINE
                            ? WORDS_ALONE * of_words
                            : VECTOR_PART * hits[i].cosine + WORDS_PART * of_words;
    }
    if (count > 0)
        qsort(hits, count, sizeof(*hits), by_score);
    while (near < count && near < most && hits[near].score > 0 && hits[near].score >= threshold)
        near++;
    return near;
}

/* ---- gathered ---- */

struct gathering {
    const struct nearest_hit *hits;
    const struct turn_message_list *messages;
    bool *taken; /* by message */
};

static bool is_taken(const struct gathering *gathering, int64_t position)
{
    for (size_t i = 0; i < gathering->messages->count; i++)
        if (gathering->taken[i] && gathering->messages->items[i].position == position)
            return true;
    return false;
}

/* Whether a message of a turn is given with it. */
static bool belongs(const struct gathering *gathering, size_t from, size_t to, size_t i)
{
    const struct turn_message *message = &gathering->messages->items[i];

    if (to - from <= TURN_MESSAGES_MAX)
        return true;
    if (i == from)
        return message->of_user;
    return message->position == gathering->hits[message->hit].position && !message->calls;
}

/* Takes the turn whose messages are `from` to `to`, where it fits. Returns its bytes. */
static int64_t take_turn(struct gathering *gathering, size_t from, size_t to, int64_t room)
{
    const struct turn_message *items = gathering->messages->items;
    int64_t bytes = 0;

    for (size_t i = from; i < to; i++)
        if (belongs(gathering, from, to, i))
            bytes += items[i].bytes;
    if (bytes > room || from == to || is_taken(gathering, items[from].position))
        return 0;
    for (size_t i = from; i < to; i++)
        gathering->taken[i] = belongs(gathering, from, to, i);
    return bytes;
}

static int ascending(const void *a, const void *b)
{
    const struct turn_message *one = *(const struct turn_message *const *)a;
    const struct turn_message *other = *(const struct turn_message *const *)b;

    return one->position < other->position ? -1 : one->position > other->position;
}

/* In order, with a 0 where others lie between. */
static void write_out(const struct gathering *gathering, int64_t below, struct nearest_choice *out)
{
    const struct turn_message **list = xcalloc(gathering->messages->count + 1, sizeof(*list));
    size_t count = 0;

    out->is_made = true;
    for (size_t i = 0; i < gathering->messages->count; i++)
        if (gathering->taken[i])
            list[count++] = &gathering->messages->items[i];
    if (count > 0)
        qsort(list, count, sizeof(const struct turn_message *), ascending);
    for (size_t i = 0; i < count; i++) {
        int64_t behind = i + 1 < count ? list[i + 1]->position : below;

        if (behind == list[i]->position) /* of two turns that are one */
            continue;
        out->positions[out->count++] = list[i]->position;
        if (list[i]->next != behind && list[i]->next != 0)
            out->positions[out->count++] = 0;
    }
    free(list);
}

void nearest_gather(const struct nearest_hit *hits, size_t hits_count,
                    const struct turn_message_list *messages, size_t top_k, int64_t bytes,
                    int64_t below, struct nearest_choice *out)
{
    struct gathering gathering = {hits, messages, xcalloc(messages->count + 1, sizeof(bool))};
    size_t turns = 0;
    size_t at = 0;

    out->count = 0;
    for (size_t hit = 0; hit < hits_count && turns < top_k; hit++) {
        size_t from = at;
        int64_t took;

        while (at < messages->count && messages->items[at].hit == hit)
            at++;
        took = take_turn(&gathering, from, at, bytes);
        bytes -= took;
        turns += took > 0;
    }
    write_out(&gathering, below, out);
    free(gathering.taken);
}
