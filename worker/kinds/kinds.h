#pragma once
/* The kinds of runs that a worker can work on. A new one is a file here with a `struct run_kind`,
 * and a row of the table in kinds.c. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "worker/run/kind.h"

struct histories;
struct run_claim;
struct worker;

extern const struct run_kind kind_agent;      /* a model that calls tools until it answers */
extern const struct run_kind kind_completion; /* one call of a model */
extern const struct run_kind kind_embedding;  /* vectors of texts */
extern const struct run_kind kind_memory;     /* what later runs are told */

/* The kind of that name, or NULL. */
const struct run_kind *kinds_find(struct text name);

/* Starts a claimed run as its kind says (run_start). */
void kinds_start(struct worker *worker, const struct run_claim *claim,
                 const struct histories *histories);
