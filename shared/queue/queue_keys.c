/* Names of keys. One hash tag per shard, so that a script's keys live together in a Cluster. */

#include <stdio.h>

#include "shared/queue/queue_internal.h"

void queue_lane_key(int shard, int lane, char out[QUEUE_KEY_SIZE])
{
    ASSERT(shard >= 0 && shard < QUEUE_SHARDS_MAX);
    ASSERT(lane >= 0 && lane < QUEUE_LANES);
    if (lane == QUEUE_EXPRESS)
        snprintf(out, QUEUE_KEY_SIZE, "q:{s%02d}:x", shard);
    else
        snprintf(out, QUEUE_KEY_SIZE, "q:{s%02d}:p%d", shard, lane);
}

void queue_keys_of(int shard, struct queue_keys *out)
{
    ASSERT(shard >= 0 && shard < QUEUE_SHARDS_MAX);
    snprintf(out->names[0], QUEUE_KEY_SIZE, "q:{s%02d}:gen", shard);
    for (int i = 0; i < QUEUE_LANES; i++)
        queue_lane_key(shard, i, out->names[1 + i]);
    for (int i = 0; i < QUEUE_KEYS; i++)
        out->texts[i] = text_of(out->names[i]);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool queue_lane_parse(struct text key, int *out_shard, int *out_lane)
{
    char expected[QUEUE_KEY_SIZE];
    int shard, lane = QUEUE_EXPRESS;

    if (key.len < 9 || !is_digit(key.ptr[4]) || !is_digit(key.ptr[5]))
        return false;
    shard = (key.ptr[4] - '0') * 10 + (key.ptr[5] - '0');
    if (key.len == 10 && is_digit(key.ptr[9]))
        lane = key.ptr[9] - '0';
    if (lane >= QUEUE_LANES || (key.len == 10 && lane == QUEUE_EXPRESS))
        return false;
    queue_lane_key(shard, lane, expected);
    if (!text_is(key, expected))
        return false;
    *out_shard = shard;
    *out_lane = lane;
    return true;
}

void queue_control_channel(int64_t worker_id, char out[QUEUE_CHANNEL_SIZE])
{
    snprintf(out, QUEUE_CHANNEL_SIZE, "ctl:{%lld}", (long long)worker_id);
}
