/* Meters of keys and models. */

#include "providers/rehearsal/meters.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/json/json_write.h"

#define TABLE_SIZE 1024 /* a power of two */
#define MINUTE_MS  60000
#define DAY_MS     86400000
#define BUSY_MS    1000 /* after which a call that was one too many may come again */

void meters_init(struct meters *meters, const struct script *script)
{
    *meters = (struct meters){
        .script = script,
        .table = xcalloc(TABLE_SIZE, sizeof(struct meter *)),
        .list = xcalloc(METERS_MAX, sizeof(struct meter *)),
    };
}

void meters_deinit(struct meters *meters)
{
    for (size_t i = 0; i < meters->count; i++) {
        free(meters->list[i]->key);
        free(meters->list[i]->model);
        free(meters->list[i]);
    }
    free(meters->table);
    free(meters->list);
}

static uint64_t hash_of(struct text key, struct text model)
{
    uint64_t hash = 0xCBF29CE484222325ULL; /* FNV-1a */

    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * 0x100000001B3ULL;
    hash = (hash ^ 0xFF) * 0x100000001B3ULL;
    for (size_t i = 0; i < model.len; i++)
        hash = (hash ^ (unsigned char)model.ptr[i]) * 0x100000001B3ULL;
    return hash ^ hash >> 32;
}

static int64_t period_ms(int kind)
{
    return kind == LIMIT_REQUESTS_DAY ? DAY_MS : MINUTE_MS;
}

static struct meter *add(struct meters *meters, uint64_t hash, struct text key, struct text model,
                         int64_t now_us)
{
    struct meter *meter = xcalloc(1, sizeof(*meter));
    struct meter **bucket = &meters->table[hash & (TABLE_SIZE - 1)];

    meter->hash = hash;
    meter->key = xstrndup(key.len ? key.ptr : "", key.len);
    meter->model = xstrndup(model.len ? model.ptr : "", model.len);
    meter->limit = script_find_limit(meters->script, meter->key, meter->model);
    for (int kind = 0; meter->limit && kind < LIMIT_KINDS; kind++)
        meter_bucket_init(&meter->buckets[kind], meter->limit->allowed[kind], now_us);
    meter->next = *bucket;
    *bucket = meter;
    meters->list[meters->count++] = meter;
    return meter;
}

struct meter *meters_find(struct meters *meters, struct text key, struct text model, int64_t now_us)
{
    uint64_t hash = hash_of(key, model);
    struct meter *meter = meters->table[hash & (TABLE_SIZE - 1)];

    for (; meter; meter = meter->next)
        if (meter->hash == hash && text_is(key, meter->key) && text_is(model, meter->model))
            return meter;
    return meters->count < METERS_MAX ? add(meters, hash, key, model, now_us) : &meters->rest;
}

/* What a call asks of a limit when it comes. */
static int64_t asked_of(int kind, int64_t input_tokens)
{
    switch (kind) {
    case LIMIT_REQUESTS:
    case LIMIT_REQUESTS_DAY:
        return 1;
    case LIMIT_TOKENS:
    case LIMIT_INPUT_TOKENS:
        return input_tokens;
    default:
        return 1; /* of output: there must be something left */
    }
}

/* Judges one limit. True: it has room. */
static bool has_room(struct meter *meter, int kind, int64_t input_tokens, int64_t now_us,
                     struct problem *problem)
{
    int64_t allowed = meter->limit->allowed[kind];
    int64_t asked = asked_of(kind, input_tokens);
    int64_t wait_ms;

    if (!allowed)
        return true;
    if (kind == LIMIT_CONCURRENT) {
        wait_ms = meter->in_flight < allowed ? 0 : BUSY_MS;
    } else {
        meter_bucket_fill(&meter->buckets[kind], allowed, period_ms(kind), now_us);
        wait_ms = meter_bucket_wait_ms(&meter->buckets[kind], allowed, period_ms(kind), asked);
    }
    if (!wait_ms)
        return true;
    *problem = (struct problem){
        .kind = PROBLEM_LIMIT,
        .status = 429,
        .limit = (enum limit_kind)kind,
        .never = asked > allowed,
        .allowed = allowed,
        .used = kind == LIMIT_CONCURRENT ? meter->in_flight
                                         : allowed - meter_bucket_remaining(&meter->buckets[kind]),
        .asked = asked,
        .retry_after_ms = wait_ms,
    };
    return false;
}

static void enter(struct meter *meter, int64_t input_tokens)
{
    meter->requests++;
    meter->tokens += input_tokens;
    if (++meter->in_flight > meter->peak_in_flight)
        meter->peak_in_flight = meter->in_flight;
}

bool meter_admit(struct meter *meter, int64_t input_tokens, int64_t now_us, struct problem *problem)
{
    if (meter->limit) {
        for (int kind = 0; kind < LIMIT_KINDS; kind++) {
            if (has_room(meter, kind, input_tokens, now_us, problem))
                continue;
            meter->limited++;
            return false;
        }
        meter->buckets[LIMIT_REQUESTS].level -= 1;
        meter->buckets[LIMIT_REQUESTS_DAY].level -= 1;
        meter->buckets[LIMIT_TOKENS].level -= (double)input_tokens;
        meter->buckets[LIMIT_INPUT_TOKENS].level -= (double)input_tokens;
    }
    enter(meter, input_tokens);
    return true;
}

void meter_charge(struct meter *meter, int64_t input_tokens, int64_t output_tokens, int64_t now_us)
{
    meter->tokens += input_tokens + output_tokens;
    for (int kind = LIMIT_TOKENS; meter->limit && kind < LIMIT_KINDS; kind++)
        if (meter->limit->allowed[kind])
            meter_bucket_fill(&meter->buckets[kind], meter->limit->allowed[kind], period_ms(kind),
                              now_us);
    meter->buckets[LIMIT_TOKENS].level -= (double)(input_tokens + output_tokens);
    meter->buckets[LIMIT_INPUT_TOKENS].level -= (double)input_tokens;
    meter->buckets[LIMIT_OUTPUT_TOKENS].level -= (double)output_tokens;
}

void meter_leave(struct meter *meter)
{
    meter->in_flight--;
}

void meter_states(struct meter *meter, int64_t now_us, int64_t now_wall_ms, struct limit_state *out)
{
    for (int kind = 0; kind < LIMIT_KINDS; kind++) {
        int64_t allowed = meter->limit ? meter->limit->allowed[kind] : 0;
        struct meter_bucket *bucket = &meter->buckets[kind];

        out[kind] = (struct limit_state){.allowed = allowed};
        if (!allowed || kind == LIMIT_CONCURRENT)
            continue;
        meter_bucket_fill(bucket, allowed, period_ms(kind), now_us);
        out[kind].remaining = meter_bucket_remaining(bucket);
        out[kind].reset_ms = meter_bucket_wait_ms(bucket, allowed, period_ms(kind), allowed);
        out[kind].reset_wall_ms = now_wall_ms + out[kind].reset_ms;
    }
}

void key_masked(struct text key, struct buf *out)
{
    size_t from = key.len > 4 ? key.len - 4 : 0;

    if (!key.len)
        return;
    buf_add_string(out, "\xE2\x80\xA6");
    buf_add_utf8(out, (struct text){key.ptr + from, key.len - from});
}

static void write_meter(struct json_write *write, const struct meter *meter)
{
    CLEANUP(buf_deinit) struct buf masked = {0};
    CLEANUP(buf_deinit) struct buf model = {0};

    buf_init(&masked, 0);
    buf_init(&model, 0);
    key_masked(text_of(meter->key), &masked);
    buf_add_utf8(&model, text_of(meter->model));
    json_write_open_object(write, NULL);
    json_write_text(write, "key", masked.len ? buf_text(&masked) : TEXT_NONE);
    json_write_text(write, "model", buf_text(&model));
    json_write_int(write, "requests", meter->requests);
    json_write_int(write, "tokens", meter->tokens);
    json_write_int(write, "limited", meter->limited);
    json_write_int(write, "in_flight", meter->in_flight);
    json_write_int(write, "peak_in_flight", meter->peak_in_flight);
    json_write_close(write);
}

void meters_write(const struct meters *meters, struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_array(&write, NULL);
    for (size_t i = 0; i < meters->count; i++)
        write_meter(&write, meters->list[i]);
    if (meters->rest.requests)
        write_meter(&write, &meters->rest);
    json_write_close(&write);
}
