/* Hashing into vectors (Weinberger et al., 2009): each word adds one, with a sign, to the dimension
 * that its hash names; so does, with a third of the weight, each group of three letters, which
 * brings "invoice" and "invoices" together. What two texts share adds up, what they don't share is
 * as often positive as negative. */

#include "providers/rehearsal/reply/vectors.h"

#include <math.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "shared/base/memory.h"

#define GRAM_BYTES  3
#define GRAM_WEIGHT (1.0F / 3)
#define WORD_BYTES  64 /* of a longer one the beginning counts */

/* FNV-1a, and the last step of MurmurHash3, which spreads it over all bits. */
static uint64_t hash_of(const char *bytes, size_t len, uint64_t seed)
{
    uint64_t hash = 0xCBF29CE484222325ULL ^ seed;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001B3ULL;
    hash ^= hash >> 33;
    hash *= 0xFF51AFD7ED558CCDULL;
    hash ^= hash >> 33;
    return hash;
}

static void add(float *out, size_t dimensions, uint64_t hash, float weight)
{
    out[(hash >> 1) % dimensions] += hash & 1 ? weight : -weight;
}

static bool is_letter(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80;
}

static void add_word(const char *word, size_t len, size_t dimensions, float *out)
{
    add(out, dimensions, hash_of(word, len, 1), 1);
    for (size_t i = 0; i + GRAM_BYTES < len + 1 && len > GRAM_BYTES; i++)
        add(out, dimensions, hash_of(word + i, GRAM_BYTES, 2), GRAM_WEIGHT);
}

static void normalise(float *out, size_t dimensions)
{
    double sum = 0;

    for (size_t i = 0; i < dimensions; i++)
        sum += (double)out[i] * (double)out[i];
    if (sum <= 0) { /* no word at all, or words that cancel each other */
        out[0] = 1;
        return;
    }
    for (size_t i = 0; i < dimensions; i++)
        out[i] = (float)((double)out[i] / sqrt(sum));
}

void vector_of(struct text text, size_t dimensions, float *out)
{
    char word[WORD_BYTES];
    size_t len = 0;

    ASSERT(dimensions > 0 && dimensions <= VECTOR_DIMENSIONS_MAX);
    memset(out, 0, dimensions * sizeof(*out));
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (is_letter(c)) {
            if (len < sizeof(word))
                word[len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
            continue;
        }
        if (len)
            add_word(word, len, dimensions, out);
        len = 0;
    }
    if (len)
        add_word(word, len, dimensions, out);
    normalise(out, dimensions);
}

void vector_add_json(const float *vector, size_t dimensions, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < dimensions; i++) {
        if (i)
            buf_add_char(out, ',');
        if (vector[i] == 0)
            buf_add_char(out, '0');
        else
            buf_printf(out, "%.9g", (double)vector[i]);
    }
    buf_add_char(out, ']');
}

void vector_add_base64(const float *vector, size_t dimensions, struct buf *out)
{
    size_t bytes = dimensions * 4;
    uint8_t *raw = xmalloc(bytes);
    char *to;

    for (size_t i = 0; i < dimensions; i++) {
        uint32_t bits;

        memcpy(&bits, &vector[i], sizeof(bits));
        for (size_t n = 0; n < 4; n++)
            raw[4 * i + n] = (uint8_t)(bits >> 8 * n);
    }
    buf_add_char(out, '"');
    to = buf_reserve(out, (bytes + 2) / 3 * 4 + 1);
    if (to)
        out->len += (size_t)EVP_EncodeBlock((unsigned char *)to, raw, (int)bytes);
    buf_add_char(out, '"');
    free(raw);
}
