/* From texts to vectors as they are stored.
 *
 * Texts that say nothing are set aside, long ones are cut, and what is left is asked for as one
 * list: of the model that is built in at once, since to make its vectors costs less than to look
 * for them anywhere. */

#include "providers/vectors/vectors.h"

#include "providers/embed.h"
#include "providers/models/registry.h"
#include "providers/vectors/vectors_internal.h"
#include "providers/wire/failure.h"
#include "shared/base/error.h"
#include "shared/base/utf8.h"

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

/* ---- the whole ---- */

static int make(struct making *making, struct error *err)
{
    int r = take_texts(making, err);

    if (r < 0 || making->count == 0)
        return r;
    if (making->target.provider->embedding->make)
        return make_here(making, err);
    return vectors_away(err, "%s can't be asked for vectors", making->target.provider_name);
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
