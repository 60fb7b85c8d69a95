#pragma once
/* Limits that all workers share: of a provider's key and model, of a tenant. Asked before a call,
 * settled after it. The buckets are in Redis (limits.lua, by the rules of limit_bucket.h); while it
 * is away each worker goes on with its share of them, by the number of workers.
 *
 * A call that may start within the time that its fiber would sleep is given a time of its own.
 * Everybody else stands in line, in order of what he says (limit_ask.order), and asks again when
 * his turn is near: so nobody polls, nobody stampedes, and a line costs two numbers a waiter. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/limits/limit_bucket.h"

struct error;
struct limits;
struct redis;

#define LIMIT_CHOICES_MAX 8
#define LIMIT_ALSO_MAX    2

/* A bucket, and what may come out of it. */
struct limit_place {
    struct text key; /* names it in Redis; no secret, at most 200 bytes */
    struct limit_rates rates;
};

struct limit_ask {
    const struct limit_place *choices; /* one of these is taken: a provider's keys */
    size_t choices_count;              /* 1 to LIMIT_CHOICES_MAX */
    const struct limit_place *also;    /* taken as well: the provider's, the tenant's */
    size_t also_count;                 /* at most LIMIT_ALSO_MAX */
    struct limit_cost cost;
    double order;    /* who goes first: the smaller */
    struct text id;  /* of who asks; the same each time he does, and he makes one call at a time */
    int64_t hold_ms; /* what he would sleep */
    int64_t call_ms; /* what a call may last: it counts as under way until then, or until settled */
};

struct limit_grant {
    size_t choice;
    int64_t wait_ms;
    bool shared; /* it was taken in Redis, and is settled there */
};

/* Settled with what a call has cost. */
struct limit_settlement {
    struct limit_cost real;
    int64_t call_ms;                  /* what it took; 0: it did not come to a call */
    int64_t hold_ms;                  /* what the provider wants all to wait; 0: nothing */
    int64_t left[LIMIT_REQUESTS_DAY]; /* of the rates of a minute, as the provider says; -1: it does
                                       * not */
};

/* Redis outlives it. */
struct limits *limits_new(struct redis *redis);
void limits_free(struct limits *limits); /* accepts NULL */

/* How many workers there are, this one included; 1 until it is told. */
void limits_set_workers(struct limits *limits, int64_t workers);

enum { LIMITS_LATER = 1 };

/* Asks. Places that limit nothing are not asked about; with none left there is no round trip.
 * Returns 0 with *out: start after wait_ms, and settle afterwards, whatever comes of it;
 * LIMITS_LATER with *out: nothing was taken, ask again after wait_ms; or -E_CANCELED. */
SUSPENDS MUSTCHECK int limits_take(struct limits *limits, const struct limit_ask *ask,
                                   struct limit_grant *out, struct error *err);

/* Who was told LIMITS_LATER does not come back: he stands in no line any more, and nobody waits for
 * his turn to pass. Waits for nothing. */
void limits_leave(struct limits *limits, const struct limit_ask *ask);

/* Sends what a call has cost, and waits for nothing. */
void limits_settle(struct limits *limits, const struct limit_ask *ask,
                   const struct limit_grant *grant, const struct limit_settlement *settlement);

/* The provider wants all to wait for a place, which nobody asked about since nothing limits it.
 * Waits for nothing. */
void limits_hold(struct limits *limits, struct text key, int64_t hold_ms);

struct limits_stats {
    uint64_t shared; /* asked of Redis */
    uint64_t local;  /* answered from the worker's own share */
    uint64_t later;
};
struct limits_stats limits_stats(const struct limits *limits);
