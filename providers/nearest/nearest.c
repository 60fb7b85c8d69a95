/* From what was said last to the older messages that are near to it. */

#include "providers/nearest/nearest.h"

#include "providers/nearest/nearest_internal.h"
#include "providers/nearest/nearest_rank.h"
#include "providers/nearest/nearest_words.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"

/* So long, and so many batches, a choice fills itself before it is made; what is left then is left
 * to others. */
#define FILL_BATCHES 10
#define FILL_MS      1500

/* A turn may be found by several of its messages. */
#define HITS_FOR_A_TURN 3

#define HITS_MAX (NEAREST_VECTORS + MESSAGE_NEAR_MAX)

struct choosing {
    const struct vectors_means *means;
    const struct store *store; /* of the caller */
    const struct nearest_ask *ask;
    struct arena arena; /* of all that is gone afterwards */
    struct store own;   /* with that arena */
    struct text model;
    struct text said; /* its vector */
    struct nearest_hit *hits;
    size_t count;
    int64_t words[MESSAGE_NEAR_WORDS];
    size_t words_count;
    struct nearest_found found;
};

static int no_room(struct error *err)
{
    return error_set(err, E_LIMIT, "there is no room for the messages of the thread");
}

/* ---- what is looked for ---- */

/* Returns 0, also without a vector, or an error. */
SUSPENDS static int read_said(struct choosing *choosing, struct error *err)
{
    const struct nearest_ask *ask = choosing->ask;
    const struct vectors_ask what = {
        .texts = &ask->said,
        .count = 1,
        .purpose = VECTORS_QUERY,
        .tenant = choosing->store->tenant,
        .user = ask->user,
        .requests_per_minute = ask->requests_per_minute,
        .tokens_per_minute = ask->tokens_per_minute,
        .deadline_ms = ask->deadline_ms,
    };
    struct vectors made = {.count = 0};
    int r = vectors_make(choosing->means, &what, &choosing->arena, &made, err);

    choosing->words_count =
        nearest_words(ask->said, ask->thread, choosing->words, MESSAGE_NEAR_WORDS);
    if (r == VECTORS_AWAY) {
        log_info("messages are found by their words alone", LOG_STR("why", err->text));
        choosing->found.degraded = true;
        return 0;
    }
    if (r == 0) {
        choosing->model = made.model;
        choosing->said = made.items[0];
    }
    return r;
}

SUSPENDS static int fill(struct choosing *choosing, struct error *err)
{
    struct filling filling = {.means = choosing->means,
                              .store = &choosing->own,
                              .ask = choosing->ask,
                              .model = choosing->model,
                              .until_ms = deadline_in(FILL_MS)};
    int r = nearest_fill_begin(&filling, err);

    if (r == 0)
        r = nearest_fill_go_on(&filling, FILL_BATCHES, err);
    choosing->found.more = choosing->model.len > 0 && !nearest_fill_is_done(&filling);
    choosing->found.degraded |= r == VECTORS_AWAY || choosing->found.more;
    return r == VECTORS_AWAY ? 0 : r;
}

/* ---- what is found ---- */

static void compare(struct choosing *choosing, const struct message_near_list *page)
{
    for (size_t i = 0; i < page->count; i++) {
        const struct message_near *near = &page->items[i];

        if (!near->vector.ptr)
            continue;
        choosing->hits[choosing->count++] = (struct nearest_hit){
            .position = near->position,
            .cosine = vector_bytes_cosine(choosing->said, near->vector),
        };
    }
}

/* A page after the other, of which only the cosines stay. */
SUSPENDS static int find_by_vectors(struct choosing *choosing, struct error *err)
{
    int64_t below = choosing->ask->below;
    size_t looked_at = 0;
    bool more = choosing->said.ptr != NULL;

    while (more && looked_at + MESSAGE_NEAR_MAX <= NEAREST_VECTORS) {
        struct store store = choosing->own;
        struct message_near_list page;
        struct arena arena;
        int r;

        arena_init(&arena, 0);
        store.arena = &arena;
        r = message_vectors_newest(&store, choosing->ask->thread, choosing->model, below, &page,
                                   err);
        if (r == 0) {
            compare(choosing, &page);
            looked_at += page.count;
            more = page.count == MESSAGE_NEAR_MAX;
            below = page.count > 0 ? page.items[page.count - 1].position : 0;
        }
        arena_deinit(&arena);
        if (r < 0)
            return r;
    }
    return 0;
}

SUSPENDS static int find_by_words(struct choosing *choosing, struct error *err)
{
    struct message_near_list found;
    int r;

    if (choosing->words_count == 0)
        return 0;
    r = message_vectors_by_words(&choosing->own, choosing->ask->thread, choosing->words,
                                 choosing->words_count, choosing->ask->below, &found, err);
    if (r == 0)
        choosing->count = nearest_merge(choosing->hits, choosing->count, &found);
    return r;
}

/* ---- what is chosen ---- */

SUSPENDS static int gather(struct choosing *choosing, struct error *err)
{
    const struct nearest_ask *ask = choosing->ask;
    struct nearest_choice *choice = &choosing->found.choice;
    size_t count = nearest_rank(choosing->hits, choosing->count, choosing->words_count,
                                (float)ask->threshold, (size_t)ask->top_k * HITS_FOR_A_TURN);
    int64_t *positions = arena_calloc(&choosing->arena, count + 1, sizeof(*positions));
    struct turn_message_list turns = {.count = 0};
    int r = positions ? 0 : no_room(err);

    for (size_t i = 0; r == 0 && i < count; i++)
        positions[i] = choosing->hits[i].position;
    if (r == 0 && count > 0)
        r = message_vectors_turns(&choosing->own, ask->thread, positions, count, ask->below, &turns,
                                  err);
    if (r < 0)
        return r;
    choice->positions =
        arena_calloc(choosing->store->arena, turns.count * 2 + 1, sizeof(*choice->positions));
    if (!choice->positions)
        return no_room(err);
    nearest_gather(choosing->hits, count, &turns, (size_t)ask->top_k, NEAREST_BYTES, ask->below,
                   choice);
    return 0;
}

SUSPENDS static int choose(struct choosing *choosing, struct error *err)
{
    int r;

    choosing->hits = arena_calloc(&choosing->arena, HITS_MAX, sizeof(*choosing->hits));
    r = choosing->hits ? read_said(choosing, err) : no_room(err);
    if (r == 0)
        r = fill(choosing, err);
    if (r == 0)
        r = find_by_vectors(choosing, err);
    if (r == 0)
        r = find_by_words(choosing, err);
    return r == 0 ? gather(choosing, err) : r;
}

int nearest_choose(const struct vectors_means *means, const struct store *store,
                   const struct nearest_ask *ask, struct nearest_found *out, struct error *err)
{
    struct choosing choosing = {
        .means = means, .store = store, .ask = ask, .own = *store, .model = TEXT("")};
    int r;

    arena_init(&choosing.arena, 0);
    choosing.own.arena = &choosing.arena;
    r = choose(&choosing, err);
    if (r == 0)
        *out = choosing.found;
    arena_deinit(&choosing.arena);
    return r;
}

int nearest_fill(const struct vectors_means *means, const struct store *store,
                 const struct nearest_ask *ask, bool *out_more, struct error *err)
{
    struct filling filling = {
        .means = means, .store = store, .ask = ask, .until_ms = ask->deadline_ms};
    int r = vectors_model(means, store->arena, &filling.model, err);

    if (r == 0)
        r = nearest_fill_begin(&filling, err);
    if (r == 0)
        r = nearest_fill_go_on(&filling, SIZE_MAX, err);
    *out_more = !nearest_fill_is_done(&filling);
    return r;
}
