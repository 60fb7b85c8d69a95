/* Gemini's embeddings. https://ai.google.dev/api/embeddings#method:-models.batchembedcontents
 *
 * Vectors come in the order of the texts. Where other dimensions are asked for than the model's
 * own, gemini-embedding-001 gives vectors that are not of length one: whoever compares by a product
 * has to see to that.
 */

#include "providers/formats/gemini.h"
#include "providers/reply/embedding.h"
#include "providers/reply/reply_builder.h"
#include "providers/wire/wire.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

static int set_address(const struct provider_target *target,
                       const struct embedding_request *request, struct provider_wire *wire,
                       struct error *err)
{
    CLEANUP(buf_deinit) struct buf path = {0};
    struct wire_address address = {
        .key_header = GEMINI_KEY_HEADER,
        .key_scheme = "",
        .idempotency_key = request->idempotency_key,
    };

    buf_init(&path, GEMINI_PATH_BYTES_MAX);
    gemini_add_path(target, "batchEmbedContents", &path);
    address.path = buf_string(&path);
    return provider_wire_address(wire, target, &address, err);
}

static void write_request(struct json_write *write, const struct embedding_request *request,
                          struct text model, struct text text)
{
    json_write_open_object(write, NULL);
    json_write_text(write, "model", model);
    json_write_open_object(write, "content");
    json_write_open_array(write, "parts");
    json_write_open_object(write, NULL);
    json_write_text(write, "text", text);
    json_write_close(write);
    json_write_close(write);
    json_write_close(write);
    if (request->dimensions > 0)
        json_write_int(write, "outputDimensionality", request->dimensions);
    json_write_close(write);
}

static int encode(const struct provider_target *target, const struct embedding_request *request,
                  struct provider_wire *wire, struct error *err)
{
    CLEANUP(buf_deinit) struct buf model = {0};
    struct json_write write;
    int r = set_address(target, request, wire, err);

    if (r < 0)
        return r;
    buf_init(&model, PROVIDER_MODEL_SIZE + 64);
    gemini_add_model(target, &model);
    json_write_init(&write, &wire->body);
    json_write_open_object(&write, NULL);
    json_write_open_array(&write, "requests");
    for (size_t i = 0; i < request->count; i++)
        write_request(&write, request, buf_text(&model), request->texts[i]);
    json_write_close(&write);
    json_write_close(&write);
    return provider_wire_check(wire, target, err);
}

static int read_vectors(struct text json, struct embedding_reply *out, struct error *err)
{
    struct text list = json_raw_get(json, "embeddings");
    struct json_raw_walk walk;
    struct text item;
    int r = 0;

    if (json_raw_type(list) != JSON_RAW_ARRAY)
        return error_set(err, E_PROTOCOL, "the reply has no vectors");
    json_raw_begin(list, &walk);
    for (size_t i = 0; r == 0 && json_raw_next(&walk, &item); i++)
        r = embedding_reply_add(out, i, json_raw_get(item, "values"), err);
    if (r < 0)
        return r;
    return embedding_reply_note(
        out, reply_tokens_at(json_raw_get(json, "usageMetadata"), "promptTokenCount"), TEXT_NONE,
        err);
}

const struct provider_embedding gemini_embedding = {
    .texts_max = 100,
    .encode = encode,
    .read = read_vectors,
};
