#pragma once
/* Specs of agents that may be large, parsed on a thread then. */

#include "shared/agent/spec.h"
#include "shared/base/compiler.h"

/* As agent_spec_parse. */
SUSPENDS MUSTCHECK int agent_spec_load(struct text spec, struct arena *arena,
                                       struct agent_spec *out, struct error *err);
