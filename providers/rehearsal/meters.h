#pragma once
/* A meter for each key and model: what they used, and what the script allows them.
 *
 * A call is let in or not by meter_admit, which takes a request and the tokens of its prompt out of
 * the buckets. What it costs besides is known when the script has decided, and taken then by
 * meter_charge, which may leave less than nothing. Times are of the monotonic clock.
 */

#include "providers/rehearsal/meter_bucket.h"
#include "providers/rehearsal/request/problem.h"
#include "providers/rehearsal/script/script.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* Keys and models beyond so many share one meter, which has no limits. */
#define METERS_MAX 2000

struct meter {
    struct meter *next; /* in its bucket of the table */
    uint64_t hash;
    char *key; /* as it came; never shown */
    char *model;
    const struct script_limit *limit; /* NULL: none */
    struct meter_bucket buckets[LIMIT_KINDS];
    int64_t requests; /* let in */
    int64_t tokens;   /* of those, input and output */
    int64_t limited;
    int64_t in_flight;
    int64_t peak_in_flight;
};

struct meters {
    const struct script *script;
    struct meter **table;
    struct meter **list; /* in the order in which they were seen */
    size_t count;
    struct meter rest;
};

void meters_init(struct meters *meters, const struct script *script);
void meters_deinit(struct meters *meters);

/* Borrowed; valid as long as the meters are. */
struct meter *meters_find(struct meters *meters, struct text key, struct text model,
                          int64_t now_us);

/* Lets a call with that many tokens in its prompt in: true, until meter_leave. False: a limit is
 * reached, *problem says which. */
MUSTCHECK bool meter_admit(struct meter *meter, int64_t input_tokens, int64_t now_us,
                           struct problem *problem);

/* After a call was let in: what it costs beyond what was taken then. */
void meter_charge(struct meter *meter, int64_t input_tokens, int64_t output_tokens, int64_t now_us);
void meter_leave(struct meter *meter);

/* Where its limits are now: LIMIT_KINDS of them. */
void meter_states(struct meter *meter, int64_t now_us, int64_t now_wall_ms,
                  struct limit_state *out);

/* A key as it may be shown: "…" and its last four characters. */
void key_masked(struct text key, struct buf *out);

/* Appends the array of all meters, as /rehearsal/stats has it. */
void meters_write(const struct meters *meters, struct buf *out);
