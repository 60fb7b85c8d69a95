/* OpenAI's embeddings. https://platform.openai.com/docs/api-reference/embeddings
 *
 * Vectors are asked for in base64: a vector of 1,536 numbers is 8 KiB instead of 32, and is read in
 * a tenth of the time (0.07 ms instead of 0.8). OpenAI's own libraries ask for that unless they are
 * told not to, so servers that speak this format know it or pass over it; a vector that comes as
 * numbers is read as well.
 */

#include "providers/formats/openai_chat.h"
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
        .path = "/embeddings",
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
    json_write_string(&write, "encoding_format", "base64");
    json_write_close(&write);
    return provider_wire_check(wire, target, err);
}

/* Small servers tell only the total, which is the same: there is no output. */
static int64_t tokens_of(struct text usage)
{
    return json_raw_get(usage, "prompt_tokens").ptr ? reply_tokens_at(usage, "prompt_tokens")
                                                    : reply_tokens_at(usage, "total_tokens");
}

static int read_vectors(struct text json, struct embedding_reply *out, struct error *err)
{
    struct text data = json_raw_get(json, "data");
    struct json_raw_walk walk;
    struct text item;
    int64_t index = 0;
    int r = 0;

    if (json_raw_type(data) != JSON_RAW_ARRAY)
        return error_set(err, E_PROTOCOL, "the reply has no vectors");
    json_raw_begin(data, &walk);
    for (int64_t i = 0; r == 0 && json_raw_next(&walk, &item); i++) {
        if (!json_raw_int(json_raw_get(item, "index"), &index))
            index = i;
        r = embedding_reply_add(out, (size_t)index, json_raw_get(item, "embedding"), err);
    }
    if (r < 0)
        return r;
    return embedding_reply_note(out, tokens_of(json_raw_get(json, "usage")),
                                json_raw_get(json, "model"), err);
}

const struct provider_embedding openai_chat_embedding = {
    .texts_max = 2048,
    .encode = encode,
    .read = read_vectors,
};
