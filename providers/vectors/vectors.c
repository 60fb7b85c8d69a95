/* From texts to vectors as they are stored.
 *
 * Texts that say nothing are set aside, long ones are cut, and what is left is asked for as one
 * list: of the model that is built in at once, since to make its vectors costs less than to look
 * for them anywhere. */

#include "providers/vectors/vectors.h"

#include <string.h>

#include "providers/embed.h"
#include "providers/models/registry.h"
#include "providers/vectors/vectors_internal.h"
#include "providers/vectors/vectors_provider.h"
#include "providers/wire/failure.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/store/vectors/vector_cache.h"

int vectors_take(const float *values, size_t dimensions, struct arena *arena, struct text *out,
                 struct error *err)
{
    size_t bytes = vector_bytes_size(dimensions);
    char *copy = arena_alloc(arena, bytes);

    if (!copy)
        return vectors_no_room(err);
    if (vector_bytes_write(values, dimensions, copy, err) < 0)
        return VECTORS_AWAY;
    *out = (struct text){copy, bytes};
    return 0;
}

int vectors_no_room(struct error *err)
{
    return error_set(err, E_LIMIT, "there is no room for the vectors");
}

/* ---- what is asked ---- */

static struct text usable(struct text text)
{
    struct text cut = {text.ptr, utf8_prefix(text.ptr, text.len, VECTORS_TEXT_BYTES_MAX)};

    return text_is_utf8(cut) ? cut : TEXT_NONE;
}

static int take_texts(struct making *making, struct error *err)
{
    const struct vectors_ask *ask = making->ask;

    making->items = arena_calloc(making->arena, ask->count + 1, sizeof(*making->items));
    if (!making->items)
        return vectors_no_room(err);
    for (size_t i = 0; i < ask->count; i++) {
        struct text text = usable(ask->texts[i]);

        if (text.len == 0)
            continue;
        making->texts[making->count] = text;
        making->places[making->count++] = i;
    }
    return 0;
}

/* ---- the model that is built in ---- */

static int make_here(struct making *making, struct error *err)
{
    const struct embedding_request request = {.texts = making->texts, .count = making->count};
    struct embedding_reply reply = {.arena = &making->scratch};
    struct provider_failure_info failure;
    int r = provider_embed(making->means->http, &making->target, &request, &reply, &failure, err);

    if (r == PROVIDER_FAILED)
        return vectors_away(err, "%s", failure.message);
    for (size_t i = 0; r == 0 && i < making->count; i++)
        r = vectors_take(reply.values + i * reply.dimensions, reply.dimensions, making->arena,
                         &making->items[making->places[i]], err);
    making->dimensions = reply.dimensions;
    return r;
}

/* ---- any other ---- */

/* Texts that have no vector yet, one after the other. */
struct missing {
    struct text *texts;
    uint8_t (*digests)[SHA256_BYTES];
    size_t *places; /* of struct vectors */
    size_t count;
};

static struct vector_owner owner_of(const struct making *making)
{
    return (struct vector_owner){.tenant = making->ask->tenant,
                                 .user = making->ask->user,
                                 .model = text_of(making->model),
                                 .purpose = making->ask->purpose};
}

/* A cache that can't be read has nothing. */
static int look_into_cache(struct making *making, struct missing *missing, struct error *err)
{
    const struct vector_owner owner = owner_of(making);
    struct text *found = arena_calloc(&making->scratch, making->count, sizeof(*found));
    struct error ignored;
    int r;

    if (!found)
        return vectors_no_room(err);
    r = vector_cache_find(making->means->pg, &owner,
                          (const uint8_t(*)[SHA256_BYTES])missing->digests, making->count,
                          making->arena, found, &ignored);
    if (r == -E_CANCELED || r == -E_LIMIT)
        return error_set(err, -r, "%s", ignored.text);
    for (size_t i = 0; i < making->count; i++) {
        if (found[i].ptr) {
            making->items[making->places[i]] = found[i];
            making->dimensions = vector_bytes_dimensions(found[i]);
            continue;
        }
        memmove(missing->digests[missing->count], missing->digests[i], SHA256_BYTES);
        missing->texts[missing->count] = making->texts[i];
        missing->places[missing->count++] = making->places[i];
    }
    return 0;
}

/* What can't be kept is asked for again. */
static int keep_in_cache(struct making *making, const struct missing *missing, struct error *err)
{
    const struct vector_owner owner = owner_of(making);
    struct text *made = arena_calloc(&making->scratch, missing->count, sizeof(*made));
    struct error ignored;
    int r;

    if (making->nameless)
        return 0;
    if (!made)
        return vectors_no_room(err);
    for (size_t i = 0; i < missing->count; i++)
        made[i] = making->items[missing->places[i]];
    r = vector_cache_keep(making->means->pg, &owner,
                          (const uint8_t(*)[SHA256_BYTES])missing->digests, made, missing->count,
                          &ignored);
    return r == -E_CANCELED ? error_set(err, E_CANCELED, "canceled") : 0;
}

static int ask_for(struct making *making, const struct missing *missing, struct error *err)
{
    struct embedding_reply reply;
    int r = vectors_of_provider(making, missing->texts, missing->count, &reply, err);

    for (size_t i = 0; r == 0 && i < missing->count; i++)
        r = vectors_take(reply.values + i * reply.dimensions, reply.dimensions, making->arena,
                         &making->items[missing->places[i]], err);
    if (r != 0)
        return r;
    making->dimensions = reply.dimensions;
    return keep_in_cache(making, missing, err);
}

static int make_by_provider(struct making *making, struct error *err)
{
    struct missing missing = {
        .texts = arena_calloc(&making->scratch, making->count, sizeof(*missing.texts)),
        .digests = arena_calloc(&making->scratch, making->count, sizeof(*missing.digests)),
        .places = arena_calloc(&making->scratch, making->count, sizeof(*missing.places)),
    };
    int r;

    if (!missing.texts || !missing.digests || !missing.places)
        return vectors_no_room(err);
    for (size_t i = 0; i < making->count; i++)
        sha256(making->texts[i], missing.digests[i]);
    r = look_into_cache(making, &missing, err);
    return r == 0 && missing.count > 0 ? ask_for(making, &missing, err) : r;
}

/* ---- the whole ---- */

static int make(struct making *making, struct error *err)
{
    int r = take_texts(making, err);

    if (r < 0 || making->count == 0)
        return r;
    return making->target.provider->embedding->make ? make_here(making, err)
                                                    : make_by_provider(making, err);
}

static int resolve(struct making *making, struct error *err)
{
    const struct config *config = provider_registry_config(making->registry);
    struct provider_target *target = &making->target;
    struct text model = making->ask->model;

    if (model.len == 0)
        model = text_of(registry_embedding_model(config));
    if (provider_registry_resolve(making->registry, model, target, err) < 0)
        return VECTORS_AWAY;
    if (!target->provider->embedding)
        return vectors_away(err, "%s makes no vectors", target->provider_name);
    making->model = arena_printf(making->arena, "%s/%s", target->provider_name, target->model);
    return making->model ? 0 : vectors_no_room(err);
}

int vectors_model(const struct vectors_means *means, struct arena *arena, struct text *out,
                  struct error *err)
{
    const struct vectors_ask any = {.count = 0};
    struct making making = {.ask = &any, .arena = arena, .registry = means->registry};
    int r = resolve(&making, err);

    if (r == 0)
        *out = text_of(making.model);
    return r;
}

int vectors_make(const struct vectors_means *means, const struct vectors_ask *ask,
                 struct arena *arena, struct vectors *out, struct error *err)
{
    struct making making = {.means = means, .ask = ask, .arena = arena};
    int r;

    ASSERT(ask->count <= VECTORS_TEXTS_MAX);
    arena_init(&making.scratch, 0);
    making.registry = provider_registry_hold(means->registry);
    making.texts = arena_calloc(&making.scratch, ask->count + 1, sizeof(*making.texts));
    making.places = arena_calloc(&making.scratch, ask->count + 1, sizeof(*making.places));
    r = making.texts && making.places ? resolve(&making, err) : vectors_no_room(err);
    if (r == 0)
        r = make(&making, err);
    if (r == 0)
        *out = (struct vectors){.items = making.items,
                                .count = ask->count,
                                .dimensions = making.dimensions,
                                .model = text_of(making.model)};
    provider_registry_free(making.registry);
    arena_deinit(&making.scratch);
    return r;
}
