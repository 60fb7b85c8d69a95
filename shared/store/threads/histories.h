#pragma once
/* The histories of runs that are being claimed, read in the request that claims them: what a run
 * needs to begin costs no trip of its own to the database.
 *
 * A history is given when it fits into HISTORY_CLAIM_COUNT messages and HISTORY_CLAIM_BYTES, or as
 * many of its newest messages as do, so the memory of a claim is bounded whatever the threads hold.
 * Who needs more of it reads it by messages_history.
 */

#include "shared/store/threads/messages.h"

struct pg_result;

#define HISTORY_CLAIM_COUNT 100
#define HISTORY_CLAIM_BYTES 65536

/* Of the runs of one claim, in the order in which they were asked for. */
struct histories {
    struct pg_result *result;
    struct history_span *spans;
    size_t count;
};

/* How many messages there are of the run that was asked for at this place; *out_more: the thread
 * has older ones. 0: the run was not claimed, its thread is empty, or already its newest message is
 * too long. */
size_t histories_count(const struct histories *histories, size_t place, bool *out_more);

/* The newest `newest` of them (>= 1) as the run's history; has_more: there are older messages. It
 * is copied to the arena. Returns 0; HISTORY_UNKNOWN: there are none; -E_LIMIT. */
MUSTCHECK int histories_get(const struct histories *histories, size_t place, size_t newest,
                            struct arena *arena, struct message_list *out, struct error *err);

void histories_deinit(struct histories *histories);

/* Inside the store. $1: the runs (U), $2: their owner (i). */
extern const struct pg_statement histories_claimed;

/* Takes over the result of histories_claimed for `count` runs; what is found in it is noted in the
 * arena, which must outlive the histories. Returns 0, or -E_LIMIT. */
MUSTCHECK int histories_read(struct pg_result *result, size_t count, struct arena *arena,
                             struct histories *out, struct error *err);
