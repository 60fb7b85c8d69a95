#pragma once
/* Texts of an agent that a run's variables fill, where the agent says "template": true: its
 * instructions, and what it is told when nobody speaks. Pure but for the zone's file. */

#include "shared/agent/spec.h"
#include "shared/base/arena.h"
#include "shared/time/rfc3339.h"

/* What is known without being said. */
struct fill_facts {
    char now[RFC3339_SIZE]; /* in the run's zone */
    struct text user;       /* who asks; TEXT_NONE: nobody said */
};

/* Sets all but the user. `request` has been checked. The zone is that of its variable "timezone",
 * else the user's (TEXT_NONE: not known), where that is one, else UTC. Reads the zone's file when
 * it is not in memory. Returns 0, or -E_INVALID with *failure: there is no such zone as the
 * variable says. */
MUSTCHECK int fill_facts(struct json_object *request, struct text users_zone, int64_t now_wall_ms,
                         struct fill_facts *out, struct failure *failure);

struct filled_texts {
    struct text instructions; /* JSON; TEXT_NONE: as agent and request have them */
    struct text task;         /* what the agent is told where nobody speaks; TEXT_NONE: nothing */
};

/* Texts of *out live in the arena. Returns 0, or -E_INVALID with *failure: a template has a place
 * for what nobody said, or there is no room. */
MUSTCHECK int fill_texts(const struct agent_spec *spec, struct json_object *request,
                         const struct fill_facts *facts, bool nobody_speaks, struct arena *arena,
                         struct filled_texts *out, struct failure *failure);
