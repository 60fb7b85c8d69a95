/* Tests of telling and following, over a real Redis. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/events/follower.h"
#include "shared/events/teller.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/redis/redis.h"

#define IDS 600

struct ear {
    struct uuid ids[2 * IDS];
    enum news_kind kinds[2 * IDS];
    size_t count;
};

static struct ear ear;

/* Other tests may tell at the same time: what is not ours is not noted. */
static struct uuid ours[IDS];

static void hear(enum news_kind kind, struct uuid id, void *arg)
{
    struct ear *to = arg;

    for (size_t i = 0; i < IDS; i++) {
        if (!uuid_equal(ours[i], id))
            continue;
        cr_assert_lt(to->count, 2 * IDS);
        to->kinds[to->count] = kind;
        to->ids[to->count++] = id;
        return;
    }
}

static const char *redis_url(void)
{
    const char *url = getenv("REDIS_URL");

    cr_assert(url, "REDIS_URL is not set: run this under tests/lib/with-servers");
    return url;
}

static struct redis *open_redis(void)
{
    const struct redis_options options = {.url = redis_url()};
    struct redis *redis;
    struct error err = {0};

    cr_assert_eq(redis_open(&options, &redis, &err), 0, "%s", err.text);
    cr_assert_eq(redis_wait_ready(redis, deadline_in(3000), &err), 0, "%s", err.text);
    for (size_t i = 0; i < IDS; i++)
        ours[i] = uuid_new();
    return redis;
}

static void take_line(void *arg, struct text line)
{
    (void)news_read(line, hear, arg);
}

static struct follower *follow(const char *url)
{
    const struct follower_options options = {
        .redis_url = url,
        .channel = NEWS_CHANNEL,
        .hear = take_line,
        .arg = &ear,
    };

    return follower_start(&options);
}

SUSPENDS static void await_hearing(const struct follower *follower, bool hears)
{
    for (int i = 0; i < 1000 && follower_hears(follower) != hears; i++)
        cr_assert_eq(fiber_sleep(5, NULL), 0);
    cr_assert_eq(follower_hears(follower), hears);
}

SUSPENDS static void await_count(size_t count)
{
    for (int i = 0; i < 1000 && ear.count < count; i++)
        cr_assert_eq(fiber_sleep(5, NULL), 0);
    cr_assert_eq(ear.count, count);
}

static void tells(void *arg)
{
    struct redis *redis = open_redis();
    struct teller *teller = teller_new(redis, false);
    struct follower *follower = follow(redis_url());

    (void)arg;
    await_hearing(follower, true);
    for (size_t i = 0; i < 10; i++)
        teller_tell(teller, NEWS_SETTLED, ours[i]);
    teller_tell(teller, NEWS_CHANGED, ours[10]);
    cr_assert_eq(teller_stats(teller).messages, 0, "they leave with the turn");
    await_count(11);
    cr_assert_eq(teller_stats(teller).messages, 2, "one for each kind");
    for (size_t i = 0; i < 10; i++) {
        cr_assert(uuid_equal(ear.ids[i], ours[i]));
        cr_assert_eq(ear.kinds[i], NEWS_SETTLED);
    }
    cr_assert_eq(ear.kinds[10], NEWS_CHANGED);
    ear.count = 0;
    for (size_t i = 0; i < IDS; i++)
        teller_tell(teller, NEWS_SETTLED, ours[i]);
    await_count(IDS);
    cr_assert_eq(teller_stats(teller).messages, 2 + (IDS + NEWS_IDS_MAX - 1) / NEWS_IDS_MAX);
    follower_stop(follower);
    teller_free(teller);
    redis_close(redis);
}

Test(tell, what_is_told_in_a_turn_is_one_message_of_each_kind)
{
    loop_run(tells, NULL);
}

static void on_demand(void *arg)
{
    struct redis *redis = open_redis();
    struct teller *teller = teller_new(redis, true);
    struct follower *follower = follow(redis_url());

    (void)arg;
    await_hearing(follower, true);
    teller_tell(teller, NEWS_SETTLED, ours[0]);
    teller_wanted(teller);
    teller_tell(teller, NEWS_SETTLED, ours[1]);
    await_count(1);
    cr_assert(uuid_equal(ear.ids[0], ours[1]), "what nobody asked for is not told");
    cr_assert_eq(teller_stats(teller).told, 1);
    follower_stop(follower);
    teller_free(teller);
    redis_close(redis);
}

Test(tell, on_demand_nothing_is_told_before_somebody_asks)
{
    loop_run(on_demand, NULL);
}

#define DB_OF_BREAKS "11" /* by which its connection is told from those of other tests */

/* Ends the subscription of this test. */
SUSPENDS static void kill_subscription(struct redis *redis)
{
    const struct text list[] = {TEXT("CLIENT"), TEXT("LIST"), TEXT("TYPE"), TEXT("pubsub")};
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    struct text kill[] = {TEXT("CLIENT"), TEXT("KILL"), TEXT("ID"), TEXT_NONE};
    struct text rest;
    struct text line;

    cr_assert_eq(redis_command(redis, list, 4, &reply, NULL), 0);
    rest = redis_reply_text(reply);
    while (text_cut(rest, '\n', &line, &rest)) {
        struct text id;
        struct text behind;

        if (!memmem(line.ptr, line.len, " db=" DB_OF_BREAKS " ", strlen(DB_OF_BREAKS) + 5))
            continue;
        cr_assert(text_cut(line, ' ', &id, &behind));
        kill[3] = (struct text){id.ptr + strlen("id="), id.len - strlen("id=")};
        cr_assert_eq(redis_command(redis, kill, 4, NULL, NULL), 0);
        return;
    }
    cr_assert_fail("no subscription of this test");
}

static void breaks(void *arg)
{
    struct redis *redis = open_redis();
    struct teller *teller = teller_new(redis, false);
    struct follower *follower;
    char url[256];

    (void)arg;
    snprintf(url, sizeof(url), "%s?db=" DB_OF_BREAKS, redis_url());
    follower = follow(url);
    await_hearing(follower, true);
    kill_subscription(redis);
    await_hearing(follower, false);
    await_hearing(follower, true);
    teller_tell(teller, NEWS_THREAD_GONE, ours[0]);
    await_count(1);
    cr_assert_eq(ear.kinds[0], NEWS_THREAD_GONE);
    follower_stop(follower);
    teller_tell(teller, NEWS_SETTLED, ours[1]);
    teller_free(teller);
    redis_close(redis);
    cr_assert_eq(ear.count, 1, "what has not left is dropped");
}

Test(tell, a_subscription_that_breaks_is_made_again)
{
    loop_run(breaks, NULL);
}

static void away(void *arg)
{
    const struct redis_options options = {.url = "unix:///nowhere/redis.sock"};
    struct redis *redis;
    struct teller *teller;
    struct follower *follower = follow(options.url);

    (void)arg;
    cr_assert_eq(redis_open(&options, &redis, NULL), 0);
    teller = teller_new(redis, false);
    teller_tell(teller, NEWS_SETTLED, uuid_new());
    cr_assert_eq(fiber_sleep(20, NULL), 0);
    cr_assert_not(follower_hears(follower));
    follower_stop(follower);
    teller_free(teller);
    redis_close(redis);
}

Test(tell, without_redis_nobody_waits_for_anything)
{
    loop_run(away, NULL);
}
