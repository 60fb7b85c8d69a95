/* The provider that is always there: vectors made within the process (shared/embed). It needs no
 * key and no network, costs nothing, and has one model. It holds no conversations. */

#include "providers/formats/formats.h"
#include "providers/reply/embedding.h"
#include "providers/wire/failure.h"
#include "shared/base/error.h"
#include "shared/embed/embedder.h"
#include "shared/embed/words.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/offload.h"
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

/* ---- the vectors ---- */

/* How much is done at once, and then others have their turn: of words some 10 ms, of characters
 * that stand for many (U+FDFA is eighteen letters) ten times that. So it is done on a thread, but
 * for what is as short as a sentence or two; to make a vector costs as much as to go through so
 * many times its bytes (offload.h). */
#define SLICE_BYTES     ((size_t)16 << 10)
#define TEXT_MORE_BYTES 256 /* of a text, whatever its length */
#define BYTE_COST       64

struct making {
    const struct embedding_request *request;
    float *values;
    struct embedder embedder; /* of the text that is at hand, */
    size_t text;
    size_t done;    /* so many bytes of it */
    int64_t tokens; /* of those before it */
    int r;
};

static size_t cost_of(struct text text)
{
    return text.len + TEXT_MORE_BYTES;
}

static struct text rest_of(const struct making *making)
{
    struct text text = making->request->texts[making->text];

    return (struct text){text.ptr + making->done, text.len - making->done};
}

static void end_text(struct making *making)
{
    embedder_finish(&making->embedder, making->values + making->text * EMBEDDER_DIMENSIONS);
    making->tokens += tokens_estimate(making->request->texts[making->text], TOKENS_O200K);
    making->embedder = (struct embedder){0};
    making->done = 0;
    making->text++;
}

/* Goes on with it, from text to text. Perhaps on a thread. */
static void make_slice(void *arg)
{
    struct making *making = arg;
    size_t cost = 0;

    while (making->r == 0 && making->text < making->request->count && cost < SLICE_BYTES) {
        struct text rest = rest_of(making);
        struct text piece = {rest.ptr, words_piece(rest)};

        making->r = embedder_add(&making->embedder, piece);
        making->done += piece.len;
        cost += cost_of(piece);
        if (piece.len == rest.len)
            end_text(making);
    }
}

/* What the next slice goes through, as far as that matters. */
static size_t slice_cost(const struct making *making)
{
    size_t cost = cost_of(rest_of(making));

    for (size_t i = making->text + 1; i < making->request->count && cost < SLICE_BYTES; i++)
        cost += cost_of(making->request->texts[i]);
    return cost < SLICE_BYTES ? cost : SLICE_BYTES;
}

SUSPENDS static int make_all(struct making *making, struct error *err)
{
    while (making->text < making->request->count) {
        if (fiber_canceled())
            return error_set(err, E_CANCELED, "canceled");
        offload_large(slice_cost(making) * BYTE_COST, make_slice, making);
        if (making->r < 0)
            return error_set(err, E_INVALID, "a text can't be read");
        fiber_yield();
    }
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
    struct making making = {.request = request};
    int r;

    if (!text_is(text_of(target->model), EMBEDDER_MODEL))
        return refuse(out_failure, "the only model made here is " EMBEDDER_MODEL);
    if (request->dimensions > 0 && request->dimensions != EMBEDDER_DIMENSIONS)
        return refuse(out_failure, EMBEDDER_MODEL " makes vectors of 512 numbers, and no others");
    out->values = arena_calloc(out->arena, request->count * EMBEDDER_DIMENSIONS, sizeof(float));
    if (!out->values)
        return error_set(err, E_LIMIT, "the vectors are too large for the run's memory");
    out->dimensions = EMBEDDER_DIMENSIONS;
    out->model = TEXT(EMBEDDER_MODEL);
    making.values = out->values;
    r = make_all(&making, err);
    out->usage.input_tokens = making.tokens;
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
