/* Vectors for the messages of a thread.
 *
 * What has them is a range of positions (thread_vectors). First what is newer than the range is
 * gone through, then what is older, a batch after the other; whatever interrupts it leaves a range
 * that is true. Another model begins another range: rows of the one before keep their words until
 * they are made anew. Two who do it at once do the same. */

#include "providers/nearest/nearest_internal.h"

#include "providers/nearest/nearest_words.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/offload.h"

/* To find words costs as much as to go through so many times their bytes (offload.h). */
#define BYTE_COST 32

struct batch {
    const struct filling *filling;
    struct arena arena;
    struct store store; /* with that arena */
    struct message_words_list found;
    struct message_vector *items; /* of those that were said in words */
    struct text *texts;
    int64_t *words;
    size_t count;
    size_t bytes;
};

static int no_room(struct error *err)
{
    return error_set(err, E_LIMIT, "there is no room for the messages of the thread");
}

bool nearest_fill_is_done(const struct filling *filling)
{
    return filling->range.newest >= filling->ask->below - 1 && filling->range.oldest <= 0;
}

/* ---- a batch ---- */

static int take_texts(struct batch *batch, struct error *err)
{
    size_t most = batch->found.count + 1;

    batch->items = arena_calloc(&batch->arena, most, sizeof(*batch->items));
    batch->texts = arena_calloc(&batch->arena, most, sizeof(*batch->texts));
    batch->words = arena_calloc(&batch->arena, most, NEAREST_WORDS_MAX * sizeof(*batch->words));
    if (!batch->items || !batch->texts || !batch->words)
        return no_room(err);
    for (size_t i = 0; i < batch->found.count; i++) {
        const struct message_words *message = &batch->found.items[i];

        if (!message->text.ptr)
            continue;
        batch->items[batch->count] =
            (struct message_vector){.id = message->id, .position = message->position};
        batch->texts[batch->count++] = message->text;
        batch->bytes += message->text.len;
    }
    return 0;
}

static void find_words(void *arg)
{
    struct batch *batch = arg;
    int64_t *words = batch->words;

    for (size_t i = 0; i < batch->count; i++) {
        struct message_vector *item = &batch->items[i];

        item->words = words;
        item->words_count =
            nearest_words(batch->texts[i], batch->filling->ask->thread, words, NEAREST_WORDS_MAX);
        words += item->words_count;
    }
}

SUSPENDS static int make_vectors(struct batch *batch, struct error *err)
{
    const struct filling *filling = batch->filling;
    const struct nearest_ask *ask = filling->ask;
    const struct vectors_ask what = {
        .texts = batch->texts,
        .count = batch->count,
        .purpose = VECTORS_DOCUMENT,
        .tenant = batch->store.tenant,
        .user = ask->user,
        .requests_per_minute = ask->requests_per_minute,
        .tokens_per_minute = ask->tokens_per_minute,
        .deadline_ms = ask->deadline_ms,
    };
    struct vectors made;
    int r;

    if (filling->model.len == 0 || batch->count == 0) /* words alone */
        return 0;
    r = vectors_make(filling->means, &what, &batch->arena, &made, err);
    if (r != 0)
        return r;
    if (!text_equal(made.model, filling->model)) {
        (void)error_set(err, E_UNAVAILABLE, "there is another model now");
        return VECTORS_AWAY;
    }
    for (size_t i = 0; i < batch->count; i++)
        if (made.items[i].len == vector_bytes_size(made.dimensions))
            batch->items[i].vector = made.items[i];
    return 0;
}

/* The range that there is when the batch is kept. */
static struct vectors_range extended(const struct batch *batch, bool newer)
{
    struct vectors_range range = batch->filling->range;
    const struct message_words_list *found = &batch->found;
    bool is_cut = found->count == MESSAGE_WORDS_MAX;
    int64_t last = found->count > 0 ? found->items[found->count - 1].position : 0;

    if (!newer)
        range.oldest = is_cut ? last : 0;
    else if (is_cut) /* it does not reach the one before, which is gone through again */
        range.oldest = last;
    if (newer)
        range.newest = batch->filling->ask->below - 1;
    return range;
}

SUSPENDS static int fill_batch(struct batch *batch, bool newer, struct error *err)
{
    struct filling *filling = (struct filling *)batch->filling;
    const struct vectors_range *range = &filling->range;
    const struct nearest_ask *ask = filling->ask;
    struct vectors_range next;
    int r = message_vectors_missing(&batch->store, ask->thread, filling->model,
                                    newer ? range->newest : 0, newer ? ask->below : range->oldest,
                                    &batch->found, err);

    if (r == 0)
        r = take_texts(batch, err);
    if (r < 0)
        return r;
    offload_large(batch->bytes * BYTE_COST, find_words, batch);
    r = make_vectors(batch, err);
    if (r != 0)
        return r;
    next = extended(batch, newer);
    r = message_vectors_keep(&batch->store, ask->thread, batch->items, batch->count, &next, err);
    if (r == 0)
        filling->range = next;
    return r;
}

/* ---- all ---- */

int nearest_fill_begin(struct filling *filling, struct error *err)
{
    struct store store = *filling->store;
    int64_t below = filling->ask->below;
    int r = message_vectors_range(&store, filling->ask->thread, &filling->range, err);

    if (r < 0)
        return r;
    filling->is_new =
        !filling->range.model.ptr || !text_equal(filling->range.model, filling->model);
    /* Vectors that are there are not given up for words. */
    if (filling->is_new && filling->model.len == 0 && filling->range.model.len > 0)
        return VECTORS_AWAY;
    if (filling->is_new)
        filling->range = (struct vectors_range){filling->model, below, below - 1};
    return 0;
}

int nearest_fill_go_on(struct filling *filling, size_t batches, struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < batches && !nearest_fill_is_done(filling); i++) {
        struct batch batch = {.filling = filling, .store = *filling->store};

        if (i > 0 && clock_ms() >= filling->until_ms)
            break;
        arena_init(&batch.arena, 0);
        batch.store.arena = &batch.arena;
        r = fill_batch(&batch, filling->range.newest < filling->ask->below - 1, err);
        arena_deinit(&batch.arena);
    }
    return r;
}
