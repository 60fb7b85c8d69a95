#include "worker/tools/memory/known.h"

#include "shared/recall/rank.h"

#define ROOM 100 /* that is made for new ones at once */

static struct store store_of(const struct known_place *place)
{
    return (struct store){.pg = place->pg, .tenant = place->tenant, .arena = place->arena};
}

/* Returns 0; *out_vector is TEXT_NONE where none can be had now. */
SUSPENDS static int ask_vector(const struct known_place *place, struct text text,
                               enum vectors_purpose purpose, struct text *out_vector,
                               struct text *out_model, struct error *err)
{
    const struct vectors_ask ask = {
        .texts = &text,
        .count = 1,
        .purpose = purpose,
        .tenant = place->tenant,
        .user = place->user,
        .run = place->run,
        .requests_per_minute = place->requests_per_minute,
        .tokens_per_minute = place->tokens_per_minute,
        .deadline_ms = place->deadline_ms,
    };
    struct vectors vectors = {.items = NULL};
    int r = vectors_make(place->means, &ask, place->arena, &vectors, err);

    if (r < 0)
        return r;
    *out_vector = r == 0 ? vectors.items[0] : TEXT_NONE;
    *out_model = out_vector->ptr ? vectors.model : TEXT_NONE;
    return 0;
}

int known_search(const struct known_place *place, const struct known_wanted *wanted,
                 struct memory_findings *out, struct error *err)
{
    struct store store = store_of(place);
    struct memory_search search = {
        .user = place->user,
        .question = wanted->question,
        .as_agent = true,
        .agent = place->agent,
        .kinds = wanted->kinds,
        .limit = wanted->limit,
        .threshold = wanted->threshold < 0 ? (double)RECALL_THRESHOLD_DEFAULT : wanted->threshold,
    };
    int r = ask_vector(place, wanted->question, VECTORS_QUERY, &search.vector, &search.model, err);

    return r < 0 ? r : memory_search(&store, &search, out, err);
}

int known_content(const struct known_place *place, const struct memory_text *made,
                  struct memory_content *out, struct error *err)
{
    struct memory_content content = {
        .text = made->text, .words = made->words, .sha256 = made->sha256};
    int r = ask_vector(place, made->text, VECTORS_DOCUMENT, &content.vector, &content.model, err);

    if (r == 0)
        *out = content;
    return r;
}

int known_keep(const struct known_place *place, struct uuid old, int64_t old_version,
               const struct memory_draft *draft, struct memory *out, struct error *err)
{
    struct store store = store_of(place);
    int64_t gone;
    int r = MEMORY_MISSING;

    if (!uuid_is_zero(old))
        r = memories_supersede(&store, place->user, old, old_version, draft, out, err);
    if (r != MEMORY_MISSING && r != MEMORY_CHANGED)
        return r;
    r = memories_put(&store, place->user, draft, out, err);
    if (r != MEMORIES_FULL)
        return r;
    r = memories_let_go(&store, place->user, MEMORIES_MAX - ROOM, &gone, err);
    return r < 0 ? r : memories_put(&store, place->user, draft, out, err);
}
