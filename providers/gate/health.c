/* Whether models answer. */

#include "providers/gate/health.h"

#include <inttypes.h>
#include <stdio.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/redis/redis.h"

/* Which breakers are open, by name, and until when: milliseconds since 1970. */
#define BREAKERS_KEY "penstock:breakers"
#define BREAKERS_MAX 256    /* more open ones are not heard of */
#define FORGOTTEN_MS 600000 /* nobody has asked that model for so long: it need not be told of */

/* Until when, by the clocks that machines share. */
static void tell_others(struct redis *redis, const struct known *known)
{
    int64_t until_ms = known->breaker.open_until_ms - clock_ms() + clock_wall_ms();
    struct text argv[4] = {TEXT("HDEL"), TEXT(BREAKERS_KEY), text_of(known->name)};
    char number[24];

    if (known->breaker.open_until_ms == 0) {
        redis_post(redis, argv, 3);
        return;
    }
    (void)snprintf(number, sizeof(number), "%" PRId64, until_ms);
    argv[0] = TEXT("HSET");
    argv[3] = text_of(number);
    redis_post(redis, argv, 4);
}

static void note_open(struct known_table *table, struct known *known)
{
    list_remove(&known->open_link);
    if (known->breaker.open_until_ms != 0)
        list_add(&table->open, &known->open_link);
}

/* Which failures are those of a server that can't, and which tell that it is there. */
void health_learn(struct known_table *table, struct redis *redis, struct known *known,
                  enum provider_failure failure)
{
    bool changed = false;

    switch (failure) {
    case PROVIDER_OVERLOADED:
    case PROVIDER_TIMED_OUT:
    case PROVIDER_STREAM_CUT:
    case PROVIDER_MALFORMED_REPLY:
        changed = breaker_failed(&known->breaker, clock_ms(), (uint32_t)random_below(UINT32_MAX));
        break;
    case PROVIDER_NO_ROOM:
        breaker_unknown(&known->breaker);
        break;
    case PROVIDER_OK:
    case PROVIDER_RATE_LIMITED:
    case PROVIDER_EMPTY_REPLY:
    case PROVIDER_REPLY_TOO_LARGE:
    case PROVIDER_QUOTA:
    case PROVIDER_CONTEXT_OVERFLOW:
    case PROVIDER_BAD_REQUEST:
    case PROVIDER_AUTH:
        changed = breaker_succeeded(&known->breaker);
        break;
    }
    if (!changed)
        return;
    note_open(table, known);
    tell_others(redis, known);
    log_info(known->breaker.open_until_ms ? "a model fails again and again: it is left alone"
                                          : "a model answers again",
             LOG_STR("model", known->name + strlen(KNOWN_PREFIX)),
             LOG_INT("for_ms",
                     known->breaker.open_until_ms ? known->breaker.open_until_ms - clock_ms() : 0));
}

static bool is_told(const redisReply *reply, const char *key)
{
    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        if (text_is(redis_reply_text(reply->element[i]), key))
            return true;
    return false;
}

/* Those whose worker is gone, and that nobody has asked since. Whoever tells does so in time. */
static void forget(struct redis *redis, struct text key)
{
    const struct text argv[3] = {TEXT("HDEL"), TEXT(BREAKERS_KEY), key};

    redis_post(redis, argv, ARRAY_LENGTH(argv));
}

/* Returns whether it is open. */
static bool hear_one(struct known_table *table, struct text key, int64_t left_ms)
{
    char name[KNOWN_NAME_SIZE];
    struct known *known;

    if (left_ms <= 0 || left_ms > BREAKER_CAP_MS)
        return false; /* it is over, or a clock is wrong */
    (void)snprintf(name, sizeof(name), "%.*s", TEXT_ARGS(key));
    known = known_of(table, name);
    breaker_told(&known->breaker, clock_ms() + left_ms);
    note_open(table, known);
    return true;
}

/* What nobody tells of any more is closed; what is told is open until then. */
static void hear(struct known_table *table, struct redis *redis, const redisReply *reply)
{
    int64_t now_wall_ms = clock_wall_ms();
    int heard = 0;

    list_for_each_safe (item, &table->open) {
        struct known *known = CONTAINER_OF(item, struct known, open_link);

        if (!is_told(reply, known->name)) {
            breaker_told(&known->breaker, 0);
            note_open(table, known);
        }
    }
    for (size_t i = 0; i + 1 < reply->elements && heard < BREAKERS_MAX; i += 2) {
        struct text key = redis_reply_text(reply->element[i]);
        int64_t until_ms;

        if (key.len == 0 || key.len >= KNOWN_NAME_SIZE ||
            !text_to_int(redis_reply_text(reply->element[i + 1]), &until_ms) ||
            until_ms < now_wall_ms - FORGOTTEN_MS)
            forget(redis, key);
        else
            heard += hear_one(table, key, until_ms - now_wall_ms);
    }
}

int health_share(struct known_table *table, struct redis *redis, struct error *err)
{
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    const struct text argv[2] = {TEXT("HGETALL"), TEXT(BREAKERS_KEY)};
    int r;

    if (!redis_is_ready(redis))
        return 0;
    r = redis_command(redis, argv, ARRAY_LENGTH(argv), &reply, err);
    if (r == -E_CANCELED)
        return r;
    if (r == 0 && reply->type == REDIS_REPLY_ARRAY)
        hear(table, redis, reply);
    return 0;
}
