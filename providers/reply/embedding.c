/* The vectors of a reply. Which text a vector belongs to is said by the provider, so it is checked:
 * each text has one, and all have the same length. */

#include "providers/reply/embedding.h"

#include <math.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/json/json_raw.h"

#define MODEL_NAME_MAX 256

void embedding_reply_begin(struct embedding_reply *reply, size_t count)
{
    *reply = (struct embedding_reply){.arena = reply->arena, .count = count, .batch_count = count};
}

static size_t length_of(struct text array)
{
    struct json_raw_walk walk;
    struct text value;
    size_t count = 0;

    json_raw_begin(array, &walk);
    while (json_raw_next(&walk, &value))
        count++;
    return count;
}

/* The first vector tells the length; NAN marks what has not come yet. */
static int set_length(struct embedding_reply *reply, size_t dimensions, struct error *err)
{
    if (dimensions > 0 && reply->dimensions == dimensions)
        return 0;
    if (reply->dimensions > 0 || dimensions == 0 || dimensions > EMBEDDING_DIMENSIONS_MAX)
        return error_set(err, E_PROTOCOL, "the reply has a vector of %zu numbers%s", dimensions,
                         reply->dimensions ? ", and others of another length" : "");
    reply->values = arena_calloc(reply->arena, reply->count * dimensions, sizeof(float));
    if (!reply->values)
        return error_set(err, E_LIMIT, "the vectors are too large for the run's memory");
    reply->dimensions = dimensions;
    for (size_t i = 0; i < reply->count; i++)
        reply->values[i * dimensions] = NAN;
    return 0;
}

static bool read_number(struct text value, float *out)
{
    char digits[64];
    char *end;

    if (json_raw_type(value) != JSON_RAW_NUMBER || value.len >= sizeof(digits))
        return false;
    memcpy(digits, value.ptr, value.len);
    digits[value.len] = '\0';
    *out = strtof(digits, &end);
    return end == digits + value.len && isfinite(*out);
}

static int read_array(struct text array, float *to, struct error *err)
{
    struct json_raw_walk walk;
    struct text value;

    json_raw_begin(array, &walk);
    while (json_raw_next(&walk, &value))
        if (!read_number(value, to++))
            return error_set(err, E_PROTOCOL, "the reply has a vector with what is no number");
    return 0;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Whole floats only. Returns how many bytes, or 0. */
static size_t base64_decode(struct text text, uint8_t *to)
{
    uint32_t bits = 0;
    size_t count = 0;
    int have = 0;

    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64_value(text.ptr[i]);

        if (value < 0)
            return 0;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            to[count++] = (uint8_t)(bits >> have);
        }
    }
    return count;
}

/* What a string says; servers that are careful with '/' escape it. */
static int add_base64(struct embedding_reply *reply, size_t index, struct text value,
                      struct error *err)
{
    CLEANUP(buf_deinit) struct buf base64 = {0};
    CLEANUP(buf_deinit) struct buf bytes = {0};
    size_t count = 0;
    int r;

    buf_init(&base64, value.len + 8);
    buf_init(&bytes, value.len + 8);
    if (json_raw_add_string(value, &base64) && buf_reserve(&bytes, value.len))
        count = base64_decode(buf_text(&base64), (uint8_t *)bytes.ptr);
    if (count == 0 || count % sizeof(float) != 0)
        return error_set(err, E_PROTOCOL, "the reply has a vector that can't be read");
    r = set_length(reply, count / sizeof(float), err);
    if (r < 0)
        return r;
    memcpy(reply->values + index * reply->dimensions, bytes.ptr, count);
    for (size_t i = 0; i < reply->dimensions; i++)
        if (!isfinite(reply->values[index * reply->dimensions + i]))
            return error_set(err, E_PROTOCOL, "the reply has a vector with what is no number");
    return 0;
}

static bool is_set(const struct embedding_reply *reply, size_t index)
{
    return reply->dimensions > 0 && !isnan(reply->values[index * reply->dimensions]);
}

int embedding_reply_add(struct embedding_reply *reply, size_t index, struct text value,
                        struct error *err)
{
    size_t number = reply->batch_first + index;
    int r;

    if (index >= reply->batch_count || is_set(reply, number))
        return error_set(err, E_PROTOCOL, "the reply has a vector for text %zu %s", index,
                         index >= reply->batch_count ? "of which there is none" : "twice");
    if (json_raw_type(value) == JSON_RAW_STRING)
        return add_base64(reply, number, value, err);
    r = set_length(reply, json_raw_type(value) == JSON_RAW_ARRAY ? length_of(value) : 0, err);
    return r < 0 ? r : read_array(value, reply->values + number * reply->dimensions, err);
}

int embedding_reply_note(struct embedding_reply *reply, int64_t tokens, struct text model,
                         struct error *err)
{
    CLEANUP(buf_deinit) struct buf name = {0};
    char *copy;

    reply->usage.input_tokens += tokens;
    buf_init(&name, MODEL_NAME_MAX * 3);
    if (reply->model.ptr || model.len > MODEL_NAME_MAX || !json_raw_add_string(model, &name))
        return 0;
    copy = arena_copy(reply->arena, buf_text(&name));
    if (!copy)
        return error_set(err, E_LIMIT, "the vectors are too large for the run's memory");
    reply->model = (struct text){copy, name.len};
    return 0;
}

int embedding_reply_check(const struct embedding_reply *reply, struct error *err)
{
    for (size_t i = 0; i < reply->batch_count; i++)
        if (!is_set(reply, reply->batch_first + i))
            return error_set(err, E_PROTOCOL, "the reply has no vector for text %zu", i);
    return 0;
}
