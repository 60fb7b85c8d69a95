/* The provider that is always there: vectors made within the process (shared/embed). It needs no
 * key and no network, costs nothing, and has one model. It holds no conversations. */

#include "providers/formats/formats.h"
#include "providers/reply/embedding.h"
#include "providers/wire/failure.h"
#include "shared/base/error.h"
#include "shared/embed/embedder.h"
#include "shared/embed/words.h"
#include "shared/fiber/fiber.h"
#include "shared/text/tokens.h"

static int encode(const struct provider_target *target, const struct chat_request *request,
                  struct provider_wire *wire, struct error *err)
{
    (void)request;
    (void)wire;
    return error_set(err, E_INVALID,
                     "provider %s makes vectors (" EMBEDDER_MODEL "), and answers nobody",
                     target->provider_name);
}

/* Never called: nothing is sent. */
static enum decode_result read_event(struct provider_decoder *decoder, struct text name,
                                     struct text json)
{
    (void)decoder;
    (void)name;
    (void)json;
    return DECODE_FAILED;
}

static enum decode_result read_whole(struct provider_decoder *decoder, struct text json)
{
    (void)decoder;
    (void)json;
    return DECODE_FAILED;
}

/* A long text takes some 10 ms a piece; others go on between them. */
SUSPENDS static int embed_text(struct text text, float *out, struct error *err)
{
    struct embedder embedder = {0};

    while (text.len > 0) {
        size_t size = words_piece(text);
        int r = embedder_add(&embedder, (struct text){text.ptr, size});

        if (r < 0)
            return error_set(err, E_INVALID, "a text can't be read");
        text.ptr += size;
        text.len -= size;
        if (text.len > 0)
            fiber_yield();
    }
    embedder_finish(&embedder, out);
    return 0;
}

static int refuse(struct provider_failure_info *out, const char *why)
{
    provider_failure_set(out, PROVIDER_BAD_REQUEST, NULL, "%s", why);
    return PROVIDER_FAILED;
}

SUSPENDS static int make(const struct provider_target *target,
                         const struct embedding_request *request, struct embedding_reply *out,
                         struct provider_failure_info *out_failure, struct error *err)
{
    int r = 0;

    if (!text_is(text_of(target->model), EMBEDDER_MODEL))
        return refuse(out_failure, "the only model made here is " EMBEDDER_MODEL);
    if (request->dimensions > 0 && request->dimensions != EMBEDDER_DIMENSIONS)
        return refuse(out_failure, EMBEDDER_MODEL " makes vectors of 512 numbers, and no others");
    out->values = arena_calloc(out->arena, request->count * EMBEDDER_DIMENSIONS, sizeof(float));
    if (!out->values)
        return error_set(err, E_LIMIT, "the vectors are too large for the run's memory");
    out->dimensions = EMBEDDER_DIMENSIONS;
    out->model = TEXT(EMBEDDER_MODEL);
    for (size_t i = 0; r == 0 && i < request->count; i++) {
        r = embed_text(request->texts[i], out->values + i * EMBEDDER_DIMENSIONS, err);
        out->usage.input_tokens += tokens_estimate(request->texts[i], TOKENS_O200K);
        if (r == 0)
            fiber_yield();
    }
    return r;
}

static const struct provider_embedding builtin_embedding = {.texts_max = EMBEDDING_TEXTS_MAX,
                                                            .make = make};

const struct provider provider_builtin = {
    .kind = "builtin",
    .encode = encode,
    .read_event = read_event,
    .read_whole = read_whole,
    .embedding = &builtin_embedding,
};
