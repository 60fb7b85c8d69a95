#pragma once
/* Runs that will be read as soon as they are made: the last ones that were asked for. Bounded; one
 * that was forgotten is read all the same. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/lru.h"

#define EXPECTED_MAX 4096

struct expected {
    struct lru runs;
};

void expected_init(struct expected *expected);
void expected_deinit(struct expected *expected);
void expected_add(struct expected *expected, struct uuid run);
bool expected_has(struct expected *expected, struct uuid run);
