/* Vectors of texts: https://platform.openai.com/docs/api-reference/embeddings/create
 *
 * OpenAI's clients ask for base64 where their user names no encoding, and read an answer of floats
 * as an empty vector: what they ask for they get. */

#include <openssl/evp.h>

#include "scheduler/api/openai/chat_bodies.h"
#include "scheduler/api/openai/embedding_input.h"
#include "scheduler/api/openai/model_answer.h"
#include "scheduler/api/openai/resources.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/json/json_write.h"

#define YIELD_NUMBERS 65536 /* others have their turn after so many */

/* Little-endian floats (IEEE 754), which this server runs on. */
static void write_base64(struct buf *out, const float *values, size_t count)
{
    size_t bytes = count * sizeof(*values);
    size_t size = (bytes + 2) / 3 * 4;
    char *to;

    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats are written as they lie");
    buf_add_char(out, '"');
    to = buf_reserve(out, size + 1);
    if (!to)
        return;
    (void)EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)values, (int)bytes);
    out->len += size;
    buf_add_char(out, '"');
}

static void write_floats(struct json_write *write, const float *values, size_t count)
{
    json_write_open_array(write, "embedding");
    for (size_t i = 0; i < count; i++)
        json_write_double(write, NULL, (double)values[i]);
    json_write_close(write);
}

SUSPENDS static void write_vectors(struct json_write *write, const struct embedding_reply *reply,
                                   bool base64)
{
    size_t written = 0;

    json_write_open_array(write, "data");
    for (size_t i = 0; i < reply->count; i++) {
        const float *values = reply->values + i * reply->dimensions;

        json_write_open_object(write, NULL);
        json_write_string(write, "object", "embedding");
        json_write_int(write, "index", (int64_t)i);
        if (base64) {
            json_write_name(write, "embedding");
            write_base64(write->out, values, reply->dimensions);
        } else {
            write_floats(write, values, reply->dimensions);
        }
        json_write_close(write);
        written += reply->dimensions;
        if (written < YIELD_NUMBERS)
            continue;
        written = 0;
        fiber_yield();
    }
    json_write_close(write);
}

SUSPENDS static void write_reply(struct request *request, const struct model_call *call)
{
    const struct embedding_reply *reply = &call->vectors;
    bool base64 = text_is(json_get_text(request->body, "encoding_format"), "base64");
    struct json_write write;

    json_write_init(&write, &request->reply);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "list");
    write_vectors(&write, reply, base64);
    json_write_text(&write, "model", model_answer_name(request, call));
    json_write_open_object(&write, "usage");
    json_write_int(&write, "prompt_tokens", reply->usage.input_tokens);
    json_write_int(&write, "total_tokens", reply->usage.input_tokens);
    json_write_close(&write);
    json_write_close(&write);
}

static int embed(struct request *request)
{
    struct model_call *call = arena_calloc(&request->exchange->arena, 1, sizeof(*call));
    struct embedding_input input;
    struct error err;
    int r;

    r = call ? embedding_input_read(request->body, &request->exchange->arena, &input, &err)
             : error_set(&err, E_LIMIT, "no room");
    if (r < 0)
        return request_failed(request, &err);
    call->models[call->models_count++] = json_get_text(request->body, "model");
    call->request = &input.weighed;
    call->texts = &input.request;
    call->user = json_get_text(request->body, "user");
    call->priority = MODEL_CALL_NORMAL;
    r = model_answer_check(request, call->models, call->models_count);
    if (r == 0)
        r = model_answer_start(request, call);
    if (r < 0)
        return r;
    r = model_answer_await(request, call);
    if (r == 0)
        write_reply(request, call);
    model_call_end(call);
    return r;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/embeddings",
     .handle = embed,
     .takes = TAKES_JSON,
     .body = &body_embedding},
};
/* clang-format on */

const struct endpoint_table embedding_endpoints = ENDPOINT_TABLE(table);
