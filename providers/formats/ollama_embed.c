/* Ollama's /api/embed. https://github.com/ollama/ollama/blob/main/docs/api.md, EmbedRequest and
 * EmbedResponse of api/types.go there.
 *
 * Vectors come in the order of the texts. As of a conversation, a text that is longer than the
 * context would be cut without a word: "truncate": false makes it an error.
 */

#include "providers/formats/ollama.h"
#include "providers/reply/embedding.h"
#include "providers/reply/reply_builder.h"
#include "providers/wire/wire.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

static int encode(const struct provider_target *target, const struct embedding_request *request,
                  struct provider_wire *wire, struct error *err)
{
    const struct wire_address address = {
        .path = "/api/embed",
        .key_header = "Authorization",
        .key_scheme = "Bearer ",
        .idempotency_key = request->idempotency_key,
    };
    struct json_write write;
    int r = provider_wire_address(wire, target, &address, err);

    if (r < 0)
        return r;
    json_write_init(&write, &wire->body);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "model", target->model);
    json_write_open_array(&write, "input");
    for (size_t i = 0; i < request->count; i++)
        json_write_text(&write, NULL, request->texts[i]);
    json_write_close(&write);
    if (request->dimensions > 0)
        json_write_int(&write, "dimensions", request->dimensions);
    if (target->context_tokens > 0) {
        json_write_open_object(&write, "options");
        json_write_int(&write, "num_ctx", target->context_tokens);
        json_write_close(&write);
    }
    json_write_bool(&write, "truncate", false);
    json_write_close(&write);
    return provider_wire_check(wire, target, err);
}

static int read_vectors(struct text json, struct embedding_reply *out, struct error *err)
{
    struct text list = json_raw_get(json, "embeddings");
    struct json_raw_walk walk;
    struct text vector;
    int r = 0;

    if (json_raw_type(list) != JSON_RAW_ARRAY)
        return error_set(err, E_PROTOCOL, "the reply has no vectors");
    json_raw_begin(list, &walk);
    for (size_t i = 0; r == 0 && json_raw_next(&walk, &vector); i++)
        r = embedding_reply_add(out, i, vector, err);
    if (r < 0)
        return r;
    return embedding_reply_note(out, reply_tokens_at(json, "prompt_eval_count"),
                                json_raw_get(json, "model"), err);
}

/* One machine works through them one after the other: so many, of a page each, are done within a
 * provider's time-outs without a graphics card, too. */
const struct provider_embedding ollama_embedding = {
    .texts_max = 64,
    .encode = encode,
    .read = read_vectors,
};
