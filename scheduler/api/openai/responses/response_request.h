#pragma once
/* From the body of a response to the request for a run, as shared/submit takes it. Pure. */

#include "shared/base/arena.h"
#include "shared/json/json.h"

struct failure;

/* What is known beside the body. */
struct response_place {
    bool has_agent;       /* `model` names one */
    bool on_conversation; /* else its thread is nobody's but the response's */
};

/* Makes the request: *out is the caller's. Returns 0, or -E_INVALID with *failure. */
MUSTCHECK int response_request(struct json_object *body, const struct response_place *place,
                               struct json_object **out, struct failure *failure);

/* Makes what the run's spec holds of it beside (RESPONSE_MEMBER), in the arena. TEXT_NONE: there is
 * no room. */
struct text response_said_of(struct json_object *body, const struct response_place *place,
                             struct arena *arena);
