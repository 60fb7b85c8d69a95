/* What calls hold of budgets: see budget_holds.h */

#include "shared/limits/budget_holds.h"

#include <inttypes.h>
#include <stdio.h>

#include "shared/base/error.h"
#include "shared/redis/redis.h"

#define ARGS        9 /* of a budget */
#define ARGS_MAX    (3 + BUDGET_HOLDS_MAX * ARGS)
#define NUMBER_SIZE 24

extern const char budget_holds_lua[];

static struct redis_script script = {"budget_holds", budget_holds_lua, ""};

struct arguments {
    struct text keys[BUDGET_HOLDS_MAX];
    size_t keys_count;
    struct text args[ARGS_MAX];
    size_t args_count;
    char numbers[ARGS_MAX][NUMBER_SIZE];
};

static void begin(struct arguments *arguments, const char *word, struct text run,
                  const struct budget_hold *holds, size_t count)
{
    ASSERT(count <= BUDGET_HOLDS_MAX);
    arguments->keys_count = count;
    for (size_t i = 0; i < count; i++)
        arguments->keys[i] = text_of(holds[i].key);
    arguments->args[0] = text_of(word);
    arguments->args[1] = run;
    arguments->args_count = 2;
}

static void add_number(struct arguments *arguments, int64_t number)
{
    size_t at = arguments->args_count++;
    int len = snprintf(arguments->numbers[at], NUMBER_SIZE, "%" PRId64, number);

    arguments->args[at] = (struct text){arguments->numbers[at], (size_t)len};
}

static void add_amount(struct arguments *arguments, const struct budget_amount *amount)
{
    for (enum budget_meter i = 0; i < BUDGET_METERS; i++)
        add_number(arguments, amount->of[i]);
}

static void add_period(struct arguments *arguments, const struct budget_hold *hold)
{
    arguments->args[arguments->args_count++] = text_of(hold->period);
}

static bool read_number(const redisReply *reply, size_t at, int64_t *out)
{
    if (at >= reply->elements)
        return false;
    if (reply->element[at]->type == REDIS_REPLY_INTEGER) {
        *out = reply->element[at]->integer;
        return true;
    }
    return text_to_int(redis_reply_text(reply->element[at]), out);
}

static bool read_answers(const redisReply *reply, struct budget_hold *holds, size_t count)
{
    bool known = reply->type == REDIS_REPLY_ARRAY;

    for (size_t i = 0; known && i < count; i++) {
        int64_t answer = 0;

        known = read_number(reply, 1 + i * 3, &answer) && answer >= BUDGET_GRANTED &&
                answer <= BUDGET_USED_UP &&
                read_number(reply, 2 + i * 3, &holds[i].granted.of[BUDGET_TOKENS]) &&
                read_number(reply, 3 + i * 3, &holds[i].granted.of[BUDGET_COST]);
        holds[i].answer = (enum budget_answer)answer;
    }
    return known;
}

int budget_holds_take(struct redis *redis, struct text run, struct budget_hold *holds, size_t count,
                      int64_t for_ms, struct error *err)
{
    redisReply *reply = NULL;
    struct arguments arguments;
    int r;

    begin(&arguments, "take", run, holds, count);
    add_number(&arguments, for_ms);
    for (size_t i = 0; i < count; i++) {
        add_amount(&arguments, &holds[i].max);
        add_amount(&arguments, &holds[i].spent);
        add_amount(&arguments, &holds[i].need.least);
        add_amount(&arguments, &holds[i].need.most);
        add_period(&arguments, &holds[i]);
    }
    r = redis_script(redis, &script, arguments.keys, arguments.keys_count, arguments.args,
                     arguments.args_count, &reply, err);
    if (r == 0 && !read_answers(reply, holds, count))
        r = error_set(err, E_PROTOCOL, "Redis answered about budgets in another form");
    redis_reply_free(reply);
    return r;
}

void budget_holds_settle(struct redis *redis, struct text run, const struct budget_hold *holds,
                         size_t count, const struct budget_amount *amount, int64_t for_ms)
{
    struct arguments arguments;

    begin(&arguments, "settle", run, holds, count);
    add_number(&arguments, for_ms);
    add_amount(&arguments, amount);
    redis_post_script(redis, &script, arguments.keys, arguments.keys_count, arguments.args,
                      arguments.args_count);
}

void budget_holds_release(struct redis *redis, struct text run, const struct budget_hold *holds,
                          size_t count)
{
    struct arguments arguments;

    begin(&arguments, "release", run, holds, count);
    for (size_t i = 0; i < count; i++) {
        add_amount(&arguments, &holds[i].spent);
        add_period(&arguments, &holds[i]);
    }
    redis_post_script(redis, &script, arguments.keys, arguments.keys_count, arguments.args,
                      arguments.args_count);
}

void budget_holds_restore(struct redis *redis, struct text run, const struct budget_hold *holds,
                          size_t count, int64_t for_ms)
{
    struct arguments arguments;

    begin(&arguments, "restore", run, holds, count);
    add_number(&arguments, for_ms);
    for (size_t i = 0; i < count; i++)
        add_amount(&arguments, &holds[i].granted);
    redis_post_script(redis, &script, arguments.keys, arguments.keys_count, arguments.args,
                      arguments.args_count);
}

int budget_holds_epoch(struct redis *redis, int64_t *out, struct error *err)
{
    redisReply *reply = NULL;
    struct arguments arguments;
    int r;

    begin(&arguments, "epoch", TEXT(""), NULL, 0);
    r = redis_script(redis, &script, arguments.keys, arguments.keys_count, arguments.args,
                     arguments.args_count, &reply, err);
    if (r == 0 && reply->type == REDIS_REPLY_INTEGER)
        *out = reply->integer;
    else if (r == 0)
        r = error_set(err, E_PROTOCOL, "Redis answered about budgets in another form");
    redis_reply_free(reply);
    return r;
}
