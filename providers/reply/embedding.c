/* The vectors of a reply. Which text a vector belongs to is said by the provider, so it is checked:
 * each text has one, and all have the same length. */

#include "providers/reply/embedding.h"

#include <math.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/json/json_raw.h"

int embedding_reply_begin(struct embedding_reply *reply, size_t count, struct error *err)
{
    reply->count = count;
    reply->dimensions = 0;
    reply->values = NULL;
    return count > 0 ? 0 : error_set(err, E_PROTOCOL, "the reply has no vectors");
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
    if (reply->dimensions == dimensions)
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

static int add_base64(struct embedding_reply *reply, size_t index, struct text base64,
                      struct error *err)
{
    CLEANUP(buf_deinit) struct buf bytes = {0};
    size_t count;
    int r;

    buf_init(&bytes, base64.len + 8);
    count = buf_reserve(&bytes, base64.len + 4) ? base64_decode(base64, (uint8_t *)bytes.ptr) : 0;
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
    int r;

    if (index >= reply->count || is_set(reply, index))
        return error_set(err, E_PROTOCOL, "the reply has a vector for text %zu %s", index,
                         index >= reply->count ? "of which there is none" : "twice");
    if (json_raw_type(value) == JSON_RAW_STRING)
        return add_base64(reply, index, (struct text){value.ptr + 1, value.len - 2}, err);
    r = set_length(reply, json_raw_type(value) == JSON_RAW_ARRAY ? length_of(value) : 0, err);
    return r < 0 ? r : read_array(value, reply->values + index * reply->dimensions, err);
}

int embedding_reply_check(const struct embedding_reply *reply, struct error *err)
{
    for (size_t i = 0; i < reply->count; i++)
        if (!is_set(reply, i))
            return error_set(err, E_PROTOCOL, "the reply has no vector for text %zu", i);
    return 0;
}
