/* The table of kinds. */

#include "worker/kinds/kinds.h"

#include "shared/store/leases/run_leases.h"
#include "worker/run/run.h"

static const struct run_kind *const kinds[] = {
    &kind_agent,
    &kind_completion,
    &kind_embedding,
    &kind_memory,
};

const struct run_kind *kinds_find(struct text name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (text_is(name, kinds[i]->name))
            return kinds[i];
    return NULL;
}

void kinds_start(struct worker *worker, const struct run_claim *claim,
                 const struct histories *histories)
{
    run_start(worker, claim, histories, kinds_find(claim->kind));
}
