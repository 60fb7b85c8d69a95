/* What a question is about
 *
 * A vector is compared and let go with its slice; words stay until all are there, since what one
 * says depends on how many memories have it.
 */

#include "shared/memories/memory_search.h"

#include <math.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/embed/vector_bytes.h"
#include "shared/fiber/offload.h"
#include "shared/recall/memory_text.h"
#include "shared/recall/rank.h"
#include "shared/store/rows.h"

#define SLICE 500

struct searching {
    const struct store *store;
    const struct memory_search *search;
    struct arena arena; /* of words */
    struct uuid *ids;
    struct recall_document *documents;
    size_t count;
    size_t words_bytes;
    struct recall_question question;
    struct recall_hit hits[MEMORY_SEARCH_MAX];
    size_t hit_count;
    bool unseen;
};

static struct searching *searching_new(const struct store *store,
                                       const struct memory_search *search)
{
    struct searching *searching = xcalloc(1, sizeof(*searching));

    searching->store = store;
    searching->search = search;
    arena_init(&searching->arena, 0);
    searching->ids = xcalloc(MEMORIES_MAX, sizeof(*searching->ids));
    searching->documents = xcalloc(MEMORIES_MAX, sizeof(*searching->documents));
    return searching;
}

static void searching_freep(struct searching **searching)
{
    if (!*searching)
        return;
    arena_deinit(&(*searching)->arena);
    free((*searching)->ids);
    free((*searching)->documents);
    free(*searching);
}

/* ---- memories, slice by slice ---- */

struct slice {
    struct searching *searching;
    const struct memory_candidates *found;
    bool full; /* no room for words */
};

static void compare(void *arg)
{
    struct slice *slice = arg;
    struct searching *searching = slice->searching;

    for (size_t i = 0; i < slice->found->count && searching->count < MEMORIES_MAX; i++) {
        const struct memory_candidate *candidate = &slice->found->items[i];
        char *words = arena_copy(&searching->arena, candidate->words);
        float similarity = NAN;

        if (!words) {
            slice->full = true;
            return;
        }
        if (candidate->vector.len > 0)
            similarity = vector_bytes_cosine(searching->search->vector, candidate->vector);
        else
            searching->unseen = true;
        searching->ids[searching->count] = candidate->id;
        searching->documents[searching->count++] = (struct recall_document){
            {words, candidate->words.len}, similarity, candidate->updated_ms};
        searching->words_bytes += candidate->words.len;
    }
}

/* *out_more: there may be another one. */
static int read_slice(struct searching *searching, bool *out_more, struct error *err)
{
    const struct memory_search *search = searching->search;
    const struct memory_sought sought = {.as_agent = search->as_agent,
                                         .agent = search->agent,
                                         .kinds = search->kinds,
                                         .model = search->vector.len ? search->model : TEXT_NONE};
    CLEANUP(arena_deinit) struct arena rows;
    struct store store = *searching->store;
    struct memory_candidates found;
    struct slice slice = {searching, &found, false};
    struct uuid after = {{0}};
    int r;

    arena_init(&rows, 0);
    store.arena = &rows;
    if (searching->count > 0)
        after = searching->ids[searching->count - 1];
    r = memories_candidates(&store, search->user, &sought, after, SLICE, &found, err);
    if (r < 0)
        return r;
    offload_large(found.count * search->vector.len, compare, &slice);
    *out_more = found.count == SLICE && searching->count < MEMORIES_MAX;
    return slice.full ? error_set(err, E_LIMIT, "the user's memories have too many words") : 0;
}

/* ---- the question ---- */

static void rank(void *arg)
{
    struct searching *searching = arg;

    searching->hit_count =
        recall_rank(&searching->question, searching->documents, searching->count, searching->hits);
}

static int read_question(struct searching *searching, struct error *err)
{
    const struct memory_search *search = searching->search;
    struct text said = text_prefix(search->question, MEMORY_QUERY_BYTES);
    bool builtin = text_starts(search->model, "builtin/");

    searching->question = (struct recall_question){
        .similarity_nats = builtin ? RECALL_NATS_BUILTIN : RECALL_NATS_MODEL,
        .threshold = (float)search->threshold,
        .limit = (size_t)search->limit,
    };
    random_bytes(&searching->question.seed, sizeof(searching->question.seed));
    if (memory_words(&searching->arena, said, &searching->question.words) < 0)
        return error_set(err, E_INVALID, "the question is no text");
    return 0;
}

/* ---- the answer ---- */

/* One that was forgotten meanwhile is left out. */
static int read_found(const struct searching *searching, struct memory_findings *out,
                      struct error *err)
{
    struct uuid ids[MEMORY_SEARCH_MAX];
    struct memory_list list;
    void *items;
    int r;

    for (size_t i = 0; i < searching->hit_count; i++)
        ids[i] = searching->ids[searching->hits[i].index];
    r = rows_alloc(searching->store->arena, searching->hit_count, sizeof(*out->items), &items, err);
    if (r == 0)
        r = memories_of_ids(searching->store, searching->search->user, ids, searching->hit_count,
                            &list, err);
    if (r < 0)
        return r;
    out->items = items;
    for (size_t i = 0; i < searching->hit_count; i++)
        for (size_t j = 0; j < list.count; j++)
            if (uuid_equal(list.items[j].id, ids[i]))
                out->items[out->count++] =
                    (struct memory_found){list.items[j], (double)searching->hits[i].score};
    return 0;
}

int memory_search(const struct store *store, const struct memory_search *search,
                  struct memory_findings *out, struct error *err)
{
    CLEANUP(searching_freep) struct searching *searching = searching_new(store, search);
    struct memory_findings found = {.count = 0};
    bool more = true;
    int r;

    ASSERT(search->limit >= 1 && search->limit <= MEMORY_SEARCH_MAX);
    r = read_question(searching, err);
    while (r == 0 && more)
        r = read_slice(searching, &more, err);
    if (r < 0)
        return r;
    offload_large(searching->words_bytes * 16, rank, searching);
    if (searching->hit_count > 0)
        r = read_found(searching, &found, err);
    if (r < 0)
        return r;
    found.compared = searching->count;
    found.unseen = searching->unseen && searching->search->vector.len > 0;
    found.degraded = searching->unseen || searching->search->vector.len == 0;
    *out = found;
    return 0;
}
