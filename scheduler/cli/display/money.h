#pragma once
/* Money as people read it. Pure. */

#include <stdint.h>

#define MONEY_SIZE 32

/* Micro-dollars as "$0.000042": all six digits, since a call of a model may cost no more. */
void money_format(int64_t micros, char out[MONEY_SIZE]);
