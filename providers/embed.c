/* Texts to vectors: cut into requests, sent, read.
 *
 * What a request may hold is bounded in three ways: by the number of texts that the format takes,
 * by the bytes of the texts, and by the bytes of the vectors, whose length is known after the first
 * request at the latest. Vectors are read into their place among all of them, so nothing is copied.
 */

#include "providers/embed.h"

#include "providers/exchange.h"
#include "providers/wire/failure.h"
#include "providers/wire/headers.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"

/* Of all texts of a request. OpenAI takes 300,000 tokens at once, and a token has at least a
 * byte. */
#define TEXTS_BYTES_MAX ((size_t)256 << 10)

/* Of a reply. A number takes up to 32 bytes in it, where each stands on a line of its own. */
#define REPLY_BYTES_MAX    ((size_t)32 << 20)
#define REPLY_NUMBER_BYTES 32
#define REPLY_MORE_BYTES   ((size_t)64 << 10)

/* Numbers a vector, as long as nothing is known of it: most models give fewer. */
#define DIMENSIONS_UNKNOWN 4096

/* What all requests of one call work on. */
struct embed {
    struct http_client *client;
    const struct provider_target *target;
    const struct embedding_request *request;
    struct provider_failure_info *failure;
    struct embedding_reply reply; /* so far */
};

/* ---- what is asked ---- */

static int check_text(const struct embedding_request *request, size_t number, struct error *err)
{
    struct text text = request->texts[number];

    if (text.len == 0)
        return error_set(err, E_INVALID, "text %zu is empty: there is no vector of nothing",
                         number);
    if (text.len > EMBEDDING_TEXT_BYTES_MAX)
        return error_set(err, E_INVALID, "text %zu has %zu bytes, and may have %zu", number,
                         text.len, EMBEDDING_TEXT_BYTES_MAX);
    if (!text_is_utf8(text))
        return error_set(err, E_INVALID, "text %zu is no valid UTF-8", number);
    return 0;
}

static int check_request(const struct provider_target *target,
                         const struct embedding_request *request, struct error *err)
{
    int r = 0;

    if (!target->provider->embedding)
        return error_set(err, E_INVALID, "provider %s makes no vectors: its kind is %s",
                         target->provider_name, target->provider->kind);
    if (request->count == 0 || request->count > EMBEDDING_TEXTS_MAX)
        return error_set(err, E_INVALID, "there are %zu texts, and must be 1 to %d", request->count,
                         EMBEDDING_TEXTS_MAX);
    if (request->dimensions < 0 || request->dimensions > EMBEDDING_DIMENSIONS_MAX)
        return error_set(err, E_INVALID, "a vector has 1 to %d numbers", EMBEDDING_DIMENSIONS_MAX);
    for (size_t i = 0; r == 0 && i < request->count; i++)
        r = check_text(request, i, err);
    return r;
}

/* Numbers a vector: as it came, as it was asked for, or `otherwise`. */
static size_t dimensions_of(const struct embed *embed, size_t otherwise)
{
    if (embed->reply.dimensions > 0)
        return embed->reply.dimensions;
    return embed->request->dimensions > 0 ? (size_t)embed->request->dimensions : otherwise;
}

/* How many texts the next request has. */
static size_t next_count(const struct embed *embed, size_t first)
{
    const struct embedding_request *request = embed->request;
    size_t most = REPLY_BYTES_MAX / (dimensions_of(embed, DIMENSIONS_UNKNOWN) * REPLY_NUMBER_BYTES);
    size_t bytes = request->texts[first].len;
    size_t count = 1;

    if (most > embed->target->provider->embedding->texts_max)
        most = embed->target->provider->embedding->texts_max;
    while (count < most && first + count < request->count &&
           bytes + request->texts[first + count].len <= TEXTS_BYTES_MAX)
        bytes += request->texts[first + count++].len;
    return count;
}

static size_t reply_bytes_max(const struct embed *embed, size_t count)
{
    size_t bytes = count * dimensions_of(embed, EMBEDDING_DIMENSIONS_MAX) * REPLY_NUMBER_BYTES;

    return (bytes < REPLY_BYTES_MAX ? bytes : REPLY_BYTES_MAX) + REPLY_MORE_BYTES;
}

/* ---- what is answered ---- */

static int fail(struct embed *embed, enum provider_failure failure,
                const struct provider_response *response, const struct error *why)
{
    provider_failure_set(embed->failure, failure, response, "%s: %s", embed->target->provider_name,
                         why->text);
    return PROVIDER_FAILED;
}

static int check_dimensions(const struct embed *embed, struct error *err)
{
    int64_t asked = embed->request->dimensions;

    if (asked == 0 || embed->reply.dimensions == (size_t)asked)
        return 0;
    return error_set(err, E_INVALID,
                     "the model gives vectors of %zu numbers, and not of the %lld that were "
                     "asked for",
                     embed->reply.dimensions, (long long)asked);
}

/* Reads a document that is no error. */
static int read_vectors(struct embed *embed, const struct provider_response *response,
                        struct text json)
{
    struct error why;
    int r = embed->target->provider->embedding->read(json, &embed->reply, &why);

    if (r == 0)
        r = embedding_reply_check(&embed->reply, &why);
    if (r == -E_LIMIT)
        return fail(embed, PROVIDER_REPLY_TOO_LARGE, response, &why);
    if (r < 0)
        return fail(embed, PROVIDER_MALFORMED_REPLY, response, &why);
    if (check_dimensions(embed, &why) < 0)
        return fail(embed, PROVIDER_BAD_REQUEST, response, &why);
    provider_limits_read(response, &embed->reply.limits);
    return 0;
}

static int read_response(struct embed *embed, const struct provider_response *response)
{
    bool is_error = response->status < 200 || response->status > 299;
    struct text json = TEXT_NONE;
    struct error why;
    int r = json_raw_check(response->body, JSON_RAW_DEPTH_MAX, &json, &why);

    if (is_error || (r == 0 && provider_failure_is_in(json))) {
        provider_failure_read(embed->target, response, embed->failure);
        return PROVIDER_FAILED;
    }
    return r < 0 ? fail(embed, PROVIDER_MALFORMED_REPLY, response, &why)
                 : read_vectors(embed, response, json);
}

/* ---- one request ---- */

static enum http_take on_body(void *arg, struct text bytes)
{
    struct buf *body = arg;

    buf_add_text(body, bytes);
    return body->failed ? HTTP_TAKE_REFUSE : HTTP_TAKE_MORE;
}

SUSPENDS static int send_part(struct embed *embed, const struct embedding_request *part,
                              struct error *err)
{
    CLEANUP(provider_exchange_deinit) struct provider_exchange exchange;
    CLEANUP(buf_deinit) struct buf body = {0};
    struct provider_response response;
    int r;

    provider_exchange_init(&exchange, embed->client, embed->target);
    exchange.deadline_ms = part->deadline_ms;
    exchange.trace = part->trace;
    exchange.body_bytes_max = reply_bytes_max(embed, part->count);
    exchange.on_body = on_body;
    exchange.arg = &body;
    buf_init(&body, exchange.body_bytes_max);
    r = embed->target->provider->embedding->encode(embed->target, part, &exchange.wire, err);
    if (r == 0)
        r = provider_exchange_run(&exchange, embed->failure, err);
    if (r != 0)
        return r;
    response = provider_exchange_head(&exchange);
    response.body = buf_text(&body);
    return read_response(embed, &response);
}

/* Asks for `count` texts from `first` on. */
SUSPENDS static int embed_part(struct embed *embed, size_t first, size_t count, struct error *err)
{
    CLEANUP(buf_deinit) struct buf key = {0};
    struct embedding_request part = *embed->request;

    part.texts += first;
    part.count = count;
    if (first > 0 && part.idempotency_key.len > 0) {
        buf_init(&key, part.idempotency_key.len + 32);
        buf_printf(&key, "%.*s:%zu", TEXT_ARGS(part.idempotency_key), first);
        part.idempotency_key = buf_text(&key);
    }
    embed->reply.batch_first = first;
    embed->reply.batch_count = count;
    return send_part(embed, &part, err);
}

SUSPENDS static int embed_all(struct embed *embed, struct error *err)
{
    size_t count;
    int r = 0;

    for (size_t first = 0; r == 0 && first < embed->request->count; first += count) {
        count = next_count(embed, first);
        r = embed_part(embed, first, count, err);
    }
    return r;
}

int provider_embed(struct http_client *client, const struct provider_target *target,
                   const struct embedding_request *request, struct embedding_reply *out,
                   struct provider_failure_info *out_failure, struct error *err)
{
    struct embed embed = {client, target, request, out_failure, {.arena = out->arena}};
    int r = check_request(target, request, err);

    ASSERT(out->arena);
    if (r == 0)
        r = provider_exchange_check(target, out_failure);
    if (r != 0)
        return r;
    embedding_reply_begin(&embed.reply, request->count);
    if (target->provider->embedding->make)
        r = target->provider->embedding->make(target, request, &embed.reply, out_failure, err);
    else
        r = embed_all(&embed, err);
    if (r == PROVIDER_FAILED)
        out_failure->usage = embed.reply.usage;
    if (r == 0)
        *out = embed.reply;
    return r;
}
