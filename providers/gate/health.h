#pragma once
/* Whether models answer: their breakers (shared/limits/breaker.h), which workers tell each other of
 * through Redis. Inside the gate. */

#include "providers/gate/known.h"
#include "shared/base/compiler.h"

struct error;
struct redis;

/* What came of a call. Tells the others when the breaker has changed. */
void health_learn(struct known_table *table, struct redis *redis, struct known *known,
                  enum provider_failure failure);

/* Learns what the others have found. Returns 0, also while Redis is away; or -E_CANCELED. */
SUSPENDS MUSTCHECK int health_share(struct known_table *table, struct redis *redis,
                                    struct error *err);
