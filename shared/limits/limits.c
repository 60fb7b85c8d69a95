/* Limits.
 *
 * Beside what Redis knows, a worker remembers of each bucket when it last took from it, there and
 * without Redis. So a bucket that Redis has lost is not taken for full, nor is one out of which
 * workers took their shares meanwhile (use_up in limits.lua). */

#include "shared/limits/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/lru.h"
#include "shared/base/memory.h"
#include "shared/redis/redis.h"

#define BUCKETS_MAX   1024
#define PLACES_MAX    (LIMIT_CHOICES_MAX + LIMIT_ALSO_MAX)
#define PLACE_NUMBERS 8
#define ARGS_MAX      (14 + PLACES_MAX * PLACE_NUMBERS)
#define NUMBER_SIZE   24
#define LATELY_MS     60000

#define CALLS_SLEEP_MS 50 /* CALLS_LOOK in limits.lua */

extern const char limits_lua[];

static struct redis_script script = {"limits", limits_lua, ""};

/* What this worker knows of a bucket. */
struct own_bucket {
    struct lru_entry entry;
    struct limit_bucket bucket; /* of its own share */
    int64_t shared_at_ms;       /* when it last took from it in Redis; 0: never */
    int64_t local_at_ms;        /* without Redis */
    int64_t calls;              /* under way, taken without Redis */
    size_t key_len;
    char key[];
};

struct limits {
    struct redis *redis;
    int64_t workers;
    struct lru own;
    struct limits_stats stats;
};

static bool is_key(const struct lru_entry *entry, const void *key)
{
    const struct own_bucket *own = CONTAINER_OF(entry, struct own_bucket, entry);

    return text_equal((struct text){own->key, own->key_len}, *(const struct text *)key);
}

static void drop(struct lru_entry *entry)
{
    free(CONTAINER_OF(entry, struct own_bucket, entry));
}

struct limits *limits_new(struct redis *redis)
{
    struct limits *limits = xcalloc(1, sizeof(*limits));

    limits->redis = redis;
    limits->workers = 1;
    lru_init(&limits->own, BUCKETS_MAX, is_key, drop);
    return limits;
}

void limits_free(struct limits *limits)
{
    if (!limits)
        return;
    lru_deinit(&limits->own);
    free(limits);
}

void limits_set_workers(struct limits *limits, int64_t workers)
{
    limits->workers = workers > 0 ? workers : 1;
}

struct limits_stats limits_stats(const struct limits *limits)
{
    return limits->stats;
}

static struct own_bucket *own_of(struct limits *limits, struct text key)
{
    uint64_t hash = text_hash(key);
    struct lru_entry *entry = lru_find(&limits->own, hash, &key);
    struct own_bucket *own;

    if (entry)
        return CONTAINER_OF(entry, struct own_bucket, entry);
    own = xcalloc(1, sizeof(*own) + key.len);
    own->key_len = key.len;
    memcpy(own->key, key.ptr, key.len);
    lru_add(&limits->own, hash, &own->entry);
    return own;
}

/* ---- what is asked ---- */

/* The places of an ask that limit anything. */
struct places {
    const struct limit_place *items[PLACES_MAX];
    size_t choice_of[PLACES_MAX]; /* its number among the ask's choices */
    size_t choices;               /* the first so many are choices */
    size_t count;
};

static void add_also(const struct limit_ask *ask, struct places *out)
{
    ASSERT(ask->also_count <= LIMIT_ALSO_MAX);
    for (size_t i = 0; i < ask->also_count; i++)
        if (limit_rates_any(&ask->also[i].rates))
            out->items[out->count++] = &ask->also[i];
}

/* A choice that is not limited is taken at once, and then no choice has to be asked about. */
static void collect(const struct limit_ask *ask, struct places *out, size_t *out_free)
{
    *out = (struct places){.count = 0};
    *out_free = SIZE_MAX;
    ASSERT(ask->choices_count > 0 && ask->choices_count <= LIMIT_CHOICES_MAX);
    for (size_t i = 0; i < ask->choices_count; i++) {
        if (!limit_rates_any(&ask->choices[i].rates)) {
            *out_free = i;
            out->count = 0;
            break;
        }
        out->choice_of[out->count] = i;
        out->items[out->count++] = &ask->choices[i];
    }
    out->choices = out->count;
    add_also(ask, out);
}

/* ---- the script's arguments ---- */

struct arguments {
    struct text texts[ARGS_MAX];
    char digits[ARGS_MAX][NUMBER_SIZE];
    size_t count;
};

static void add_text(struct arguments *args, struct text text)
{
    ASSERT(args->count < ARGS_MAX);
    args->texts[args->count++] = text;
}

static void add_number(struct arguments *args, int64_t number)
{
    char *digits = args->digits[args->count];

    (void)snprintf(digits, NUMBER_SIZE, "%" PRId64, number);
    add_text(args, text_of(digits));
}

static void add_cost(struct arguments *args, const struct limit_cost *cost)
{
    add_number(args, cost->requests);
    add_number(args, cost->input_tokens);
    add_number(args, cost->output_tokens);
}

static void add_rates(struct arguments *args, const struct limit_rates *rates)
{
    for (int i = 0; i < LIMIT_RATES; i++)
        add_number(args, rates->of[i]);
    add_number(args, rates->calls);
}

enum { REMEMBERS_NOTHING, REMEMBERS_USE, REMEMBERS_OWN_USE };

static int remembered(const struct own_bucket *own, int64_t now_ms)
{
    if (own->local_at_ms && now_ms - own->local_at_ms < LIMIT_BURST_MS)
        return REMEMBERS_OWN_USE;
    return own->shared_at_ms && now_ms - own->shared_at_ms < LATELY_MS ? REMEMBERS_USE
                                                                       : REMEMBERS_NOTHING;
}

/* ---- in Redis ---- */

static int read_grant(const redisReply *reply, const struct places *places, size_t free_choice,
                      struct limit_grant *out, struct error *err)
{
    int64_t wait_us;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        reply->element[0]->type != REDIS_REPLY_INTEGER ||
        reply->element[1]->type != REDIS_REPLY_INTEGER ||
        !text_to_int(redis_reply_text(reply->element[2]), &wait_us) ||
        reply->element[1]->integer < 0 ||
        (size_t)reply->element[1]->integer >= (places->choices ? places->choices : 1))
        return error_set(err, E_PROTOCOL, "the limits' script has given a strange answer");
    *out = (struct limit_grant){
        .choice = places->choices ? places->choice_of[reply->element[1]->integer] : free_choice,
        .wait_ms = (wait_us + 999) / 1000,
        .shared = true,
    };
    return reply->element[0]->integer == 0 ? 0 : LIMITS_LATER;
}

SUSPENDS static int take_shared(struct limits *limits, const struct limit_ask *ask,
                                const struct places *places, size_t free_choice,
                                struct limit_grant *out, struct error *err)
{
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    struct text keys[PLACES_MAX];
    struct arguments args = {.count = 0};
    char order[32];
    int64_t now_ms = clock_ms();
    int r;

    (void)snprintf(order, sizeof(order), "%.17g", ask->order);
    add_text(&args, TEXT("take"));
    add_number(&args, (int64_t)places->choices);
    add_text(&args, ask->id);
    add_text(&args, text_of(order));
    add_number(&args, ask->hold_ms * 1000);
    add_number(&args, ask->call_ms * 1000);
    add_cost(&args, &ask->cost);
    for (size_t i = 0; i < places->count; i++) {
        keys[i] = places->items[i]->key;
        add_rates(&args, &places->items[i]->rates);
        add_number(&args, remembered(own_of(limits, keys[i]), now_ms));
    }
    r = redis_script(limits->redis, &script, keys, places->count, args.texts, args.count, &reply,
                     err);
    if (r == 0)
        r = read_grant(reply, places, free_choice, out, err);
    for (size_t i = 0; r == 0 && i < places->count; i++)
        if (i >= places->choices || places->choice_of[i] == out->choice)
            own_of(limits, keys[i])->shared_at_ms = clock_ms();
    return r;
}

/* ---- without Redis ---- */

/* The rates of one worker: at least one of what there is any of. */
static struct limit_rates share_of(const struct limits *limits, const struct limit_rates *rates)
{
    struct limit_rates share = {.calls = 0};

    for (int i = 0; i < LIMIT_RATES; i++)
        if (rates->of[i] > 0)
            share.of[i] = rates->of[i] > limits->workers ? rates->of[i] / limits->workers : 1;
    if (rates->calls > 0)
        share.calls = rates->calls > limits->workers ? rates->calls / limits->workers : 1;
    return share;
}

#define CALLS_LOOK_US 200e3 /* when to look again for a call's end */

/* What he may sleep when it is taken. Where calls are counted he sleeps before: until his turn
 * others may call. */
static int64_t hold_ms_of(const struct limit_ask *ask, const struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        if (places->items[i]->rates.calls > 0)
            return ask->hold_ms < CALLS_SLEEP_MS ? ask->hold_ms : CALLS_SLEEP_MS;
    return ask->hold_ms;
}

static double own_wait_us(struct limits *limits, const struct limit_place *place,
                          const struct limit_ask *ask, double now_us, bool *out_shut)
{
    const struct own_bucket *own = own_of(limits, place->key);
    struct limit_rates share = share_of(limits, &place->rates);
    double wait_us = limit_bucket_wait_us(&own->bucket, &share, &ask->cost, now_us);

    *out_shut = share.calls > 0 && own->calls >= share.calls;
    return *out_shut && wait_us < CALLS_LOOK_US ? CALLS_LOOK_US : wait_us;
}

static int take_own(struct limits *limits, const struct limit_ask *ask, const struct places *places,
                    size_t free_choice, struct limit_grant *out)
{
    double now_us = (double)clock_us();
    double best_us = 0;
    double wait_us = 0;
    size_t best = 0;
    bool any_shut = false;
    bool shut;

    for (size_t i = 0; i < places->choices; i++) {
        double one_us = own_wait_us(limits, places->items[i], ask, now_us, &shut);

        if (i == 0 || one_us < best_us) {
            best = i;
            best_us = one_us;
            any_shut = shut;
        }
    }
    wait_us = best_us;
    for (size_t i = places->choices; i < places->count; i++) {
        double also_us = own_wait_us(limits, places->items[i], ask, now_us, &shut);

        any_shut |= shut;
        wait_us = also_us > wait_us ? also_us : wait_us;
    }
    *out = (struct limit_grant){.choice = places->choices ? places->choice_of[best] : free_choice,
                                .wait_ms = (int64_t)(wait_us / 1e3) + 1};
    if (any_shut || out->wait_ms > hold_ms_of(ask, places))
        return LIMITS_LATER;
    for (size_t i = 0; i < places->count; i++) {
        struct own_bucket *own = own_of(limits, places->items[i]->key);
        struct limit_rates share = share_of(limits, &places->items[i]->rates);

        if (i < places->choices && i != best)
            continue;
        limit_bucket_take(&own->bucket, &share, &ask->cost, now_us);
        own->local_at_ms = clock_ms();
        own->calls++;
    }
    return 0;
}

/* Whoever does not know whether he was given anything holds no call, and stands in no line. What
 * may have been taken of the rates is not given back: nobody knows what that is. */
static void leave_shared(struct limits *limits, const struct limit_ask *ask,
                         const struct places *places)
{
    struct text argv[2] = {TEXT("leave"), ask->id};
    struct text keys[PLACES_MAX];

    for (size_t i = 0; i < places->count; i++)
        keys[i] = places->items[i]->key;
    redis_post_script(limits->redis, &script, keys, places->count, argv, ARRAY_LENGTH(argv));
}

int limits_take(struct limits *limits, const struct limit_ask *ask, struct limit_grant *out,
                struct error *err)
{
    struct error own_err = {0};
    struct places places;
    size_t free_choice;
    int r = -E_UNAVAILABLE;

    collect(ask, &places, &free_choice);
    if (places.count == 0) {
        *out = (struct limit_grant){.choice = free_choice};
        return 0;
    }
    if (redis_is_ready(limits->redis))
        r = take_shared(limits, ask, &places, free_choice, out, &own_err);
    if (r == -E_CANCELED) {
        leave_shared(limits, ask, &places);
        if (err)
            *err = own_err;
        return r;
    }
    if (r >= 0)
        limits->stats.shared++;
    else
        limits->stats.local++;
    if (r < 0)
        r = take_own(limits, ask, &places, free_choice, out);
    limits->stats.later += r == LIMITS_LATER;
    return r;
}

void limits_leave(struct limits *limits, const struct limit_ask *ask)
{
    struct places places;
    size_t free_choice;

    collect(ask, &places, &free_choice);
    if (places.count > 0 && redis_is_ready(limits->redis))
        leave_shared(limits, ask, &places);
}

/* ---- what it has cost ---- */

/* The places that a grant was taken from, the provider's first. */
static void collect_granted(const struct limit_ask *ask, const struct limit_grant *grant,
                            struct places *out)
{
    *out = (struct places){.count = 0};
    out->items[out->count++] = &ask->choices[grant->choice];
    add_also(ask, out);
}

static void settle_shared(struct limits *limits, const struct limit_ask *ask,
                          const struct places *places, const struct limit_settlement *settlement)
{
    struct text keys[PLACES_MAX];
    struct arguments args = {.count = 0};

    add_text(&args, TEXT("settle"));
    add_text(&args, ask->id);
    add_cost(&args, &ask->cost);
    add_cost(&args, &settlement->real);
    add_number(&args, settlement->call_ms * 1000);
    add_number(&args, settlement->hold_ms * 1000);
    for (int i = 0; i < LIMIT_REQUESTS_DAY; i++)
        add_number(&args, settlement->left[i]);
    for (size_t i = 0; i < places->count; i++) {
        keys[i] = places->items[i]->key;
        add_rates(&args, &places->items[i]->rates);
    }
    redis_post_script(limits->redis, &script, keys, places->count, args.texts, args.count);
}

static void settle_own(struct limits *limits, const struct limit_ask *ask,
                       const struct places *places, const struct limit_settlement *settlement)
{
    double now_us = (double)clock_us();

    for (size_t i = 0; i < places->count; i++) {
        struct own_bucket *own = own_of(limits, places->items[i]->key);
        struct limit_rates share = share_of(limits, &places->items[i]->rates);

        limit_bucket_settle(&own->bucket, &share, &ask->cost, &settlement->real);
        own->calls -= own->calls > 0 && limit_rates_any(&places->items[i]->rates);
        if (i == 0 && settlement->hold_ms > 0)
            limit_bucket_hold(&own->bucket, now_us + (double)settlement->hold_ms * 1e3);
    }
}

void limits_settle(struct limits *limits, const struct limit_ask *ask,
                   const struct limit_grant *grant, const struct limit_settlement *settlement)
{
    struct places places;

    collect_granted(ask, grant, &places);
    if (grant->shared)
        settle_shared(limits, ask, &places, settlement);
    else if (places.count > 1 || limit_rates_any(&places.items[0]->rates) ||
             settlement->hold_ms > 0)
        settle_own(limits, ask, &places, settlement);
}

/* With the script's text: it may be the first that this Redis sees of it. */
void limits_hold(struct limits *limits, struct text key, int64_t hold_ms)
{
    struct own_bucket *own = own_of(limits, key);
    char hold[NUMBER_SIZE];
    struct text argv[6] = {
        TEXT("EVAL"), text_of(limits_lua), TEXT("1"), key, TEXT("hold"),
    };

    (void)snprintf(hold, sizeof(hold), "%" PRId64, hold_ms * 1000);
    argv[5] = text_of(hold);
    redis_post(limits->redis, argv, ARRAY_LENGTH(argv));
    limit_bucket_hold(&own->bucket, (double)clock_us() + (double)hold_ms * 1e3);
}
