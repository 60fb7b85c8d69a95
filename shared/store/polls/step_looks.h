#pragma once
/* Inside the store: what several runs have behind a step of theirs, by one statement: their next
 * steps, each with the message that it made. A run's first LOOK_STEPS are read, up to one that has
 * a text of more than LOOK_TEXT_MAX, so that an answer is bounded. */

#include "shared/postgres/postgres.h"
#include "shared/store/polls/run_look.h"

struct step_looks {
    struct buf runs;
    struct buf tenants;
    struct buf seqs;
    struct pg_value values[3];
};

void step_looks_init(struct step_looks *looks);
void step_looks_deinit(struct step_looks *looks);

void step_looks_add(struct step_looks *looks, struct uuid tenant, struct uuid run, int64_t seq);

/* Valid until the next call of any of these. */
struct pg_query step_looks_query(struct step_looks *looks);

/* Row `at` belongs to the look that was added as number *out_place, from 0. */
size_t step_looks_place(const struct pg_result *result, int at);

/* Adds row `at` to the look; does nothing behind a step that is too large. Returns 0, or
 * -E_LIMIT. */
MUSTCHECK int step_looks_read(const struct pg_result *result, int at, struct run_look *look,
                              struct error *err);
