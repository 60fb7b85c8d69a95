#pragma once
/* What the files of this folder share: names of keys, and the queue itself. Nobody else includes
 * this. */

#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/queue/queue.h"
#include "shared/redis/redis.h"

#define QUEUE_GROUP          "w"
#define QUEUE_KEY_SIZE       16
#define QUEUE_CHANNEL_SIZE   32
#define QUEUE_CHANNEL_OF_ALL "ctl:all"
#define QUEUE_KEYS           (1 + QUEUE_LANES)
#define GENERATION_SIZE      33

struct queue {
    struct redis *redis;
    char generations[QUEUE_SHARDS_MAX][GENERATION_SIZE]; /* "": not initialised by us */
    enum redis_state state;
    struct error complaint; /* while the state is not REDIS_SERVES */
};

/* The keys of one shard, all with the shard's hash tag: the generation, then the lanes. */
struct queue_keys {
    char names[QUEUE_KEYS][QUEUE_KEY_SIZE];
    struct text texts[QUEUE_KEYS];
};

void queue_keys_of(int shard, struct queue_keys *out);
void queue_lane_key(int shard, int lane, char out[QUEUE_KEY_SIZE]);

/* Notes the state that a failure shows. Returns r. */
int queue_note(struct queue *queue, int r, const struct error *err);

/* False for any name but those queue_lane_key gives. */
MUSTCHECK bool queue_lane_parse(struct text key, int *out_shard, int *out_lane);

void queue_control_channel(int64_t worker_id, char out[QUEUE_CHANNEL_SIZE]);
