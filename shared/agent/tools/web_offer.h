#pragma once
/* What of the web is offered to agents, as the configuration has it: schedulers and workers are
 * given the same one. */

#include "shared/base/compiler.h"

struct web_offer {
    bool searches;      /* there is a search engine */
    const char *robots; /* "obey", "agent" or "ignore"; NULL: "obey" */
};
