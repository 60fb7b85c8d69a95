/* Writing to the queue: init, dispatch, ack. The first two are one script per shard, so that what
 * they check still holds when they act. An ack checks nothing and nobody waits for it.
 *
 * Dispatch never creates a stream (NOMKSTREAM): a stream without its group would swallow hints. A
 * missing one means the same as a missing generation.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/queue/queue_internal.h"

/* Per script call: a few hundred XADDs hold Redis for about a millisecond. */
#define BATCH_MAX 256

static struct redis_script init_script = {
    "queue init",
    /* KEYS: generation, lanes. ARGV: a new generation. Returns the one in force. */
    "for i = 2, #KEYS do\n"
    "  local made = redis.pcall('XGROUP', 'CREATE', KEYS[i], '" QUEUE_GROUP "', '0', 'MKSTREAM')\n"
    "  if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP') then\n"
    "    return made\n"
    "  end\n"
    "end\n"
    "redis.call('SET', KEYS[1], ARGV[1], 'NX')\n"
    "return redis.call('GET', KEYS[1])\n",
    ""};

static struct redis_script dispatch_script = {
    "queue dispatch",
    /* KEYS: generation, lanes, the express lane last. ARGV: generation known, window, number of the
     * lane; run, fence and whether it is read of each hint. Returns how many were added, or -1 when
     * the shard was forgotten. What was read and not removed takes no room: its removal may have
     * been lost. */
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end\n"
    "local room = tonumber(ARGV[2])\n"
    "local lane = KEYS[1 + tonumber(ARGV[3])]\n"
    "for i = 2, #KEYS do\n"
    "  if (KEYS[i] == KEYS[#KEYS]) == (lane == KEYS[#KEYS]) then\n"
    "    local read = redis.pcall('XPENDING', KEYS[i], '" QUEUE_GROUP "')\n"
    "    room = room - redis.call('XLEN', KEYS[i]) + (read.err and 0 or read[1])\n"
    "  end\n"
    "end\n"
    "local added = 0\n"
    "for i = 4, #ARGV, 3 do\n"
    "  if added >= room then break end\n"
    "  if not redis.call('XADD', lane, 'NOMKSTREAM', '*', 'run', ARGV[i], 'fence', ARGV[i + 1],\n"
    "      'read', ARGV[i + 2]) then return -1 end\n"
    "  added = added + 1\n"
    "end\n"
    "return added\n",
    ""};

struct queue *queue_new(struct redis *redis)
{
    struct queue *queue = xcalloc(1, sizeof(*queue));

    queue->redis = redis;
    return queue;
}

struct queue *queue_free(struct queue *queue)
{
    free(queue);
    return NULL;
}

static void random_generation(char out[GENERATION_SIZE])
{
    uint8_t bytes[16];

    random_bytes(bytes, sizeof(bytes));
    *text_put_hex(out, bytes, sizeof(bytes)) = '\0';
}

int queue_init(struct queue *queue, int shard, struct error *err)
{
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    char generation[GENERATION_SIZE];
    struct queue_keys keys;
    struct text args[1], present;
    int r;

    queue_keys_of(shard, &keys);
    random_generation(generation);
    args[0] = text_of(generation);
    r = redis_script(queue->redis, &init_script, keys.texts, QUEUE_KEYS, args, 1, &reply, err);
    if (queue_note(queue, r, err) < 0)
        return error_wrap(err, "initialising shard %d of the queue", shard);
    present = redis_reply_text(reply);
    if (present.len == 0 || present.len >= GENERATION_SIZE)
        return error_set(err, E_PROTOCOL, "the generation of shard %d is no generation", shard);
    memcpy(queue->generations[shard], present.ptr, present.len);
    queue->generations[shard][present.len] = '\0';
    return 0;
}

/* The texts of one script call. */
struct call {
    struct text args[3 + 3 * BATCH_MAX];
    char window[24];
    char numbers[BATCH_MAX][24];
    char runs[BATCH_MAX][UUID_TEXT_SIZE];
};

static size_t write_hints(struct call *call, const struct queue_hint *hints, size_t count)
{
    size_t argc = 3;

    for (size_t i = 0; i < count; i++) {
        uuid_format(hints[i].run, call->runs[i]);
        snprintf(call->numbers[i], sizeof(call->numbers[i]), "%" PRId64, hints[i].fence);
        call->args[argc++] = text_of(call->runs[i]);
        call->args[argc++] = text_of(call->numbers[i]);
        call->args[argc++] = hints[i].read ? TEXT("1") : TEXT("0");
    }
    return argc;
}

static struct text lane_number(int lane)
{
    static const char numbers[QUEUE_LANES][2] = {"1", "2", "3", "4"};

    ASSERT(lane >= 0 && lane < QUEUE_LANES);
    return text_of(numbers[lane]);
}

SUSPENDS static int dispatch_some(struct queue *queue, const struct queue_batch *batch,
                                  struct call *call, size_t *out_accepted, struct error *err)
{
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    struct queue_keys keys;
    size_t argc = write_hints(call, batch->hints, batch->count);
    int r;

    queue_keys_of(batch->shard, &keys);
    snprintf(call->window, sizeof(call->window), "%zu", batch->window);
    call->args[0] = text_of(queue->generations[batch->shard]);
    call->args[1] = text_of(call->window);
    call->args[2] = lane_number(batch->lane);
    r = redis_script(queue->redis, &dispatch_script, keys.texts, QUEUE_KEYS, call->args, argc,
                     &reply, err);
    if (queue_note(queue, r, err) < 0)
        return error_wrap(err, "dispatching to shard %d", batch->shard);
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer > (long long)batch->count)
        return error_set(err, E_PROTOCOL, "the dispatch script returned no count");
    if (reply->integer < 0)
        return QUEUE_FORGOTTEN;
    *out_accepted = (size_t)reply->integer;
    return 0;
}

int queue_dispatch(struct queue *queue, const struct queue_batch *batch, size_t *out_accepted,
                   struct error *err)
{
    CLEANUP(freep) struct call *call = NULL;
    size_t done = 0;

    ASSERT(batch->shard >= 0 && batch->shard < QUEUE_SHARDS_MAX);
    if (!queue->generations[batch->shard][0])
        return QUEUE_FORGOTTEN;
    call = xmalloc(sizeof(*call));
    while (done < batch->count) {
        struct queue_batch part = *batch;
        size_t accepted = 0;
        int r;

        part.hints += done;
        part.count = batch->count - done > BATCH_MAX ? BATCH_MAX : batch->count - done;
        r = dispatch_some(queue, &part, call, &accepted, err);
        if (r != 0)
            return r;
        done += accepted;
        if (accepted < part.count)
            break;
    }
    *out_accepted = done;
    return 0;
}

/* The entries of one lane, from `at` on. What is deleted and not acknowledged, since the connection
 * ended in between, takes no room any more; the other way round it would, for ever. Returns where
 * those of another lane begin. */
static size_t ack_lane(struct queue *queue, const struct queue_entry *entries, size_t count,
                       size_t at, struct text *argv)
{
    const struct queue_entry *first = &entries[at];
    char key[QUEUE_KEY_SIZE];
    size_t argc = 3;

    queue_lane_key(first->shard, first->lane, key);
    for (; at < count && entries[at].shard == first->shard && entries[at].lane == first->lane; at++)
        argv[argc++] = text_of(entries[at].id);
    argv[1] = TEXT("XDEL");
    argv[2] = text_of(key);
    redis_post(queue->redis, argv + 1, argc - 1);
    argv[0] = TEXT("XACK");
    argv[1] = text_of(key);
    argv[2] = TEXT(QUEUE_GROUP);
    redis_post(queue->redis, argv, argc);
    return at;
}

static int by_lane(const void *a, const void *b)
{
    const struct queue_entry *left = a, *right = b;
    int order = (left->shard > right->shard) - (left->shard < right->shard);

    return order ? order : (left->lane > right->lane) - (left->lane < right->lane);
}

void queue_ack(struct queue *queue, const struct queue_entry *entries, size_t count)
{
    CLEANUP(freep) struct queue_entry *sorted = NULL;
    CLEANUP(freep) struct text *argv = NULL;

    if (count == 0)
        return;
    sorted = xcalloc(count, sizeof(*sorted));
    argv = xcalloc(count + 3, sizeof(*argv));
    memcpy(sorted, entries, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), by_lane);
    for (size_t at = 0; at < count;)
        at = ack_lane(queue, sorted, count, at, argv);
}
