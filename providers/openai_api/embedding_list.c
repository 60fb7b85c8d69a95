/* OpenAI's clients ask for base64 where their user names no encoding, and read an answer of floats
 * as an empty vector: what they ask for they get. */

#include "providers/openai_api/embedding_list.h"

#include <openssl/evp.h>

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

void embedding_list_write(struct buf *out, struct text model, const struct embedding_reply *reply,
                          bool base64)
{
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "list");
    write_vectors(&write, reply, base64);
    json_write_text(&write, "model", model);
    json_write_open_object(&write, "usage");
    json_write_int(&write, "prompt_tokens", reply->usage.input_tokens);
    json_write_int(&write, "total_tokens", reply->usage.input_tokens);
    json_write_close(&write);
    json_write_close(&write);
}
