#pragma once
/* Claims: from ids of runs to runs in work.
 *
 * Claims have a connection of their own, whose commits are answered before they are on disk: a run
 * begins without waiting for the writes of others, nor for the disk. A crash of Postgres may so
 * undo a claim whose run is in work. That is as if the claim had never been: the run is queued, the
 * first write of the worker finds that it is not the owner, and since a later claim has another
 * owner, no write of the two can be taken for the other's. What such a run did until then was not
 * stored.
 *
 * Invariant: one claim at a time, and none while strays are looked for, so a run that Postgres says
 * is ours and that nobody works on is one whose claim's answer was lost.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/fiber/cond.h"

struct error;
struct worker;

struct claims {
    struct worker *worker;
    bool under_way;
    struct cond done;
    bool bare; /* claims read no histories: the last one failed, perhaps for one of these */
};

void claims_init(struct claims *claims, struct worker *worker);

/* Takes those of the runs that can be had, and starts them. One that wins nothing costs one row in
 * one statement. Returns 0, -E_CANCELED, or an error: then strays may have been made. */
SUSPENDS MUSTCHECK int claims_take(struct claims *claims, const struct uuid *runs, size_t count,
                                   struct error *err);

/* After a claim whose answer was lost, or a cancel of a run that is not known here: starts what
 * Postgres says is ours and nobody works on. Returns as claims_take does. */
SUSPENDS MUSTCHECK int claims_adopt_strays(struct claims *claims, struct error *err);
