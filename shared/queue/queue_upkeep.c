/* Looking after the queue: figures for metrics, dead consumers, nudges. */

#include <inttypes.h>
#include <stdio.h>

#include "shared/base/error.h"
#include "shared/queue/queue_internal.h"

/* A reader of several lanes is a consumer of each: Redis 7.2 and later make it one at its first
 * look, earlier versions when it is given something. So consumers are counted by their names. */

/* clang-format off */
static struct redis_script stats_script = {
    "queue stats",
    /* KEYS: generation, lanes. Returns length and pending of each lane, all consumers, the
     * generation. */
    "local out, consumers, known = {}, 0, {}\n"
    "for i = 2, #KEYS do\n"
    "  out[#out + 1] = redis.call('XLEN', KEYS[i])\n"
    "  local pending = redis.pcall('XPENDING', KEYS[i], '" QUEUE_GROUP "')\n"
    "  out[#out + 1] = pending.err and 0 or pending[1]\n"
    "  local all = redis.pcall('XINFO', 'CONSUMERS', KEYS[i], '" QUEUE_GROUP "')\n"
    "  if all.err then all = {} end\n"
    "  for _, fields in ipairs(all) do\n"
    "    local c = {}\n"
    "    for k = 1, #fields, 2 do c[fields[k]] = fields[k + 1] end\n"
    "    if not known[c.name] then consumers = consumers + 1 end\n"
    "    known[c.name] = true\n"
    "  end\n"
    "end\n"
    "out[#out + 1] = consumers\n"
    "out[#out + 1] = redis.call('GET', KEYS[1]) or ''\n"
    "return out\n",
    ""};

static struct redis_script collect_script = {
    "queue collect",
    /* KEYS: generation, lanes. ARGV: idle time. Of each lane 100 entries that were read so long
     * ago, by whomever, and at most 16 consumers. One with something left pending stays until
     * the next call. Returns how many are gone from all lanes. */
    "local gone, stay, idle = {}, {}, tonumber(ARGV[1])\n"
    "for i = 2, #KEYS do\n"
    "  local old = redis.pcall('XPENDING', KEYS[i], '" QUEUE_GROUP
    "', 'IDLE', idle, '-', '+', 100)\n"
    "  if old.err then old = {} end\n"
    "  for _, entry in ipairs(old) do\n"
    "    redis.call('XDEL', KEYS[i], entry[1])\n"
    "    redis.call('XACK', KEYS[i], '" QUEUE_GROUP "', entry[1])\n"
    "  end\n"
    "  local all, seen = redis.pcall('XINFO', 'CONSUMERS', KEYS[i], '" QUEUE_GROUP "'), 0\n"
    "  if all.err then all = {} end\n"
    "  for _, fields in ipairs(all) do\n"
    "    local c = {}\n"
    "    for k = 1, #fields, 2 do c[fields[k]] = fields[k + 1] end\n"
    "    local drop = c.idle > idle and seen < 16\n"
    "    if drop then\n"
    "      seen = seen + 1\n"
    "      drop = #redis.call('XPENDING', KEYS[i], '" QUEUE_GROUP "', '-', '+', 1, c.name) == 0\n"
    "    end\n"
    "    if drop then\n"
    "      redis.call('XGROUP', 'DELCONSUMER', KEYS[i], '" QUEUE_GROUP "', c.name)\n"
    "      gone[c.name] = true\n"
    "    else\n"
    "      stay[c.name] = true\n"
    "    end\n"
    "  end\n"
    "end\n"
    "local dropped = 0\n"
    "for name in pairs(gone) do\n"
    "  if not stay[name] then dropped = dropped + 1 end\n"
    "end\n"
    "return dropped\n",
    ""};
/* clang-format on */

int queue_stats(struct queue *queue, int shard, struct queue_stats *out, struct error *err)
{
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    struct queue_stats stats = {0};
    struct queue_keys keys;
    struct text generation;
    int r;

    queue_keys_of(shard, &keys);
    r = redis_script(queue->redis, &stats_script, keys.texts, QUEUE_KEYS, NULL, 0, &reply, err);
    if (queue_note(queue, r, err) < 0)
        return error_wrap(err, "figures of shard %d of the queue", shard);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 * QUEUE_LANES + 2)
        return error_set(err, E_PROTOCOL, "the figures of the queue have a strange form");
    for (int i = 0; i < QUEUE_LANES; i++) {
        stats.length[i] = reply->element[2 * i]->integer;
        stats.pending[i] = reply->element[2 * i + 1]->integer;
    }
    stats.consumers = reply->element[2 * QUEUE_LANES]->integer;
    generation = redis_reply_text(reply->element[2 * QUEUE_LANES + 1]);
    stats.known = generation.len > 0 && text_is(generation, queue->generations[shard]);
    *out = stats;
    return 0;
}

int queue_collect(struct queue *queue, int shard, int64_t idle_ms, size_t *out_dropped,
                  struct error *err)
{
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    struct queue_keys keys;
    char number[24];
    struct text args[1];
    int r;

    queue_keys_of(shard, &keys);
    snprintf(number, sizeof(number), "%" PRId64, idle_ms);
    args[0] = text_of(number);
    r = redis_script(queue->redis, &collect_script, keys.texts, QUEUE_KEYS, args, 1, &reply, err);
    if (queue_note(queue, r, err) < 0)
        return error_wrap(err, "collecting dead consumers of shard %d", shard);
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0)
        return error_set(err, E_PROTOCOL, "the collect script returned no count");
    *out_dropped = (size_t)reply->integer;
    return 0;
}

void queue_nudge_cancel(struct queue *queue, int64_t worker_id, struct uuid run)
{
    char channel[QUEUE_CHANNEL_SIZE];
    char message[8 + UUID_TEXT_SIZE] = "cancel ";
    struct text argv[3] = {TEXT("PUBLISH")};

    queue_control_channel(worker_id, channel);
    uuid_format(run, message + strlen("cancel "));
    argv[1] = text_of(channel);
    argv[2] = text_of(message);
    redis_post(queue->redis, argv, 3);
}

void queue_ask_news(struct queue *queue)
{
    const struct text argv[3] = {TEXT("PUBLISH"), TEXT(QUEUE_CHANNEL_OF_ALL), TEXT("news")};

    redis_post(queue->redis, argv, 3);
}
