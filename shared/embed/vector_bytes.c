/* Vectors of bytes. The sum of products is where time goes: whole numbers, which compilers make
 * into instructions for many at once as soon as nothing in the loop may alias or overflow.
 * 127 * 127 * VECTOR_DIMENSIONS_MAX is well within 32 bits. */

#include "shared/embed/vector_bytes.h"

#include <math.h>
#include <string.h>

#include "shared/base/error.h"

#define LARGEST 127

_Static_assert((int64_t)LARGEST *LARGEST *VECTOR_DIMENSIONS_MAX <= INT32_MAX,
               "sums fit their type");

size_t vector_bytes_size(size_t dimensions)
{
    return VECTOR_HEAD_BYTES + dimensions;
}

static int32_t sum_of_products(const int8_t *restrict a, const int8_t *restrict b, size_t count)
{
    int32_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (int16_t)a[i] * (int16_t)b[i];
    return sum;
}

static const int8_t *numbers_of(struct text vector)
{
    return (const int8_t *)vector.ptr + VECTOR_HEAD_BYTES;
}

/* ---- written ---- */

static void write_head(float scale, char *out)
{
    uint32_t bits;

    memcpy(&bits, &scale, sizeof(bits));
    for (int i = 0; i < VECTOR_HEAD_BYTES; i++)
        out[i] = (char)(bits >> (8 * i));
}

static int find_largest(const float *values, size_t dimensions, double *out, struct error *err)
{
    double largest = 0;

    for (size_t i = 0; i < dimensions; i++) {
        double size = fabs((double)values[i]);

        if (!isfinite(size))
            return error_set(err, E_INVALID, "number %zu of a vector is none", i);
        largest = size > largest ? size : largest;
    }
    *out = largest;
    return 0;
}

int vector_bytes_write(const float *values, size_t dimensions, char *out, struct error *err)
{
    int8_t *numbers = (int8_t *)out + VECTOR_HEAD_BYTES;
    double largest = 0;
    int32_t square;
    int r;

    if (dimensions == 0 || dimensions > VECTOR_DIMENSIONS_MAX)
        return error_set(err, E_INVALID, "a vector has 1 to %d numbers, not %zu",
                         VECTOR_DIMENSIONS_MAX, dimensions);
    r = find_largest(values, dimensions, &largest, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < dimensions; i++)
        numbers[i] = largest > 0 ? (int8_t)lrint((double)values[i] / largest * LARGEST) : 0;
    square = sum_of_products(numbers, numbers, dimensions);
    write_head(square > 0 ? (float)(1 / sqrt(square)) : 0, out);
    return 0;
}

/* ---- compared ---- */

static float read_head(struct text vector)
{
    uint32_t bits = 0;
    float scale;

    for (int i = 0; i < VECTOR_HEAD_BYTES; i++)
        bits |= (uint32_t)(uint8_t)vector.ptr[i] << (8 * i);
    memcpy(&scale, &bits, sizeof(scale));
    return scale;
}

size_t vector_bytes_dimensions(struct text vector)
{
    if (vector.len <= VECTOR_HEAD_BYTES || vector.len > vector_bytes_size(VECTOR_DIMENSIONS_MAX))
        return 0;
    return vector.len - VECTOR_HEAD_BYTES;
}

float vector_bytes_cosine(struct text a, struct text b)
{
    size_t dimensions = vector_bytes_dimensions(a);
    float cosine;

    if (dimensions == 0 || vector_bytes_dimensions(b) != dimensions)
        return 0;
    cosine = read_head(a) * read_head(b) *
             (float)sum_of_products(numbers_of(a), numbers_of(b), dimensions);
    if (!(cosine >= -1))
        return cosine < -1 ? -1 : 0; /* what was stored may be anything */
    return cosine > 1 ? 1 : cosine;
}
