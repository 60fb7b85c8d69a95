/* OpenAI's clients ask for base64 where their user names no encoding, and read an answer of floats
 * as an empty vector: what they ask for they get. */

#include "providers/openai_api/embedding_list.h"

#include <openssl/evp.h>

#include "shared/fiber/fiber.h"
#include "shared/fiber/offload.h"
#include "shared/json/json_write.h"

#define SLICE_NUMBERS 65536 /* others have their turn after so many */
#define NUMBER_BYTES  12    /* in JSON */

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

struct writing {
    struct json_write write;
    const struct embedding_reply *reply;
    bool base64;
    size_t next;
};

static void write_vector(struct writing *writing, size_t number)
{
    const struct embedding_reply *reply = writing->reply;
    const float *values = reply->values + number * reply->dimensions;
    struct json_write *write = &writing->write;

    json_write_open_object(write, NULL);
    json_write_string(write, "object", "embedding");
    json_write_int(write, "index", (int64_t)number);
    if (writing->base64) {
        json_write_name(write, "embedding");
        write_base64(write->out, values, reply->dimensions);
    } else {
        write_floats(write, values, reply->dimensions);
    }
    json_write_close(write);
}

/* As many as have SLICE_NUMBERS together. Perhaps on a thread. */
static void write_slice(void *arg)
{
    struct writing *writing = arg;
    size_t numbers = 0;

    while (writing->next < writing->reply->count && numbers < SLICE_NUMBERS) {
        write_vector(writing, writing->next++);
        numbers += writing->reply->dimensions;
    }
}

SUSPENDS static void write_vectors(struct writing *writing)
{
    const struct embedding_reply *reply = writing->reply;

    json_write_open_array(&writing->write, "data");
    while (writing->next < reply->count) {
        size_t numbers = (reply->count - writing->next) * reply->dimensions;

        offload_large((numbers < SLICE_NUMBERS ? numbers : SLICE_NUMBERS) * NUMBER_BYTES,
                      write_slice, writing);
        fiber_yield();
    }
    json_write_close(&writing->write);
}

void embedding_list_write(struct buf *out, struct text model, const struct embedding_reply *reply,
                          bool base64)
{
    struct writing writing = {.reply = reply, .base64 = base64};
    struct json_write *write = &writing.write;

    json_write_init(write, out);
    json_write_open_object(write, NULL);
    json_write_string(write, "object", "list");
    write_vectors(&writing);
    json_write_text(write, "model", model);
    json_write_open_object(write, "usage");
    json_write_int(write, "prompt_tokens", reply->usage.input_tokens);
    json_write_int(write, "total_tokens", reply->usage.input_tokens);
    json_write_close(write);
    json_write_close(write);
}
