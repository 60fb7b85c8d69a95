#pragma once
/* Vectors for texts without a model: deterministic, of length one, and near each other for texts
 * that share words or beginnings of words. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define VECTOR_DIMENSIONS     256 /* where a request does not say */
#define VECTOR_DIMENSIONS_MAX 4096

/* Fills out[0 … dimensions - 1]. */
void vector_of(struct text text, size_t dimensions, float *out);

/* Appends a vector as a JSON array of numbers, or as OpenAI's base64: a JSON string of its floats,
 * little-endian. */
void vector_add_json(const float *vector, size_t dimensions, struct buf *out);
void vector_add_base64(const float *vector, size_t dimensions, struct buf *out);
