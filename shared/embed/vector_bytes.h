#pragma once
/* A vector as it is stored and compared: numbers of a byte each, and one that makes its length 1.
 *
 *     bytes 0 to 3   1 / the length of what follows, a little-endian float; 0: it is all zeros
 *     bytes 4 and on a number each, -127 to 127: of the vector's largest one 127
 *
 * So a vector takes a quarter of what it would as floats, and two are compared without unpacking
 * either. Vectors of models are dense: what one of their numbers loses others lose the other way,
 * and a cosine is off by less than 0.01. Of a vector in which one number is a hundred times all
 * others, these are lost. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

#define VECTOR_HEAD_BYTES     4
#define VECTOR_DIMENSIONS_MAX 16384

/* What a vector of so many numbers takes. */
size_t vector_bytes_size(size_t dimensions);

/* Writes vector_bytes_size bytes. Of any length; one of zeros stays one of zeros. Returns 0, or
 * -E_INVALID: one of them is no number, or infinite, or there are none or too many. */
MUSTCHECK int vector_bytes_write(const float *values, size_t dimensions, char *out,
                                 struct error *err);

/* How many numbers it has; 0: these bytes are no vector. */
size_t vector_bytes_dimensions(struct text vector);

/* The cosine of two: -1 to 1. 0 also where one is all zeros or no vector, or they are of different
 * dimensions, so were made by different models. */
float vector_bytes_cosine(struct text a, struct text b);
