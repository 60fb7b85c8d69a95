/* Reading hints on a dedicated connection.
 *
 * XREADGROUP's COUNT is per stream, so one call over all lanes could return many times what there
 * is room for. While there is plenty of room a read is one blocking call that shares the room out
 * among the streams: whatever is there is taken, so no order matters. When room is short a read
 * asks lane by lane without blocking, for exactly what is left, and only when all lanes are empty
 * blocks on all of them at once for a single entry each. What such a block brings beyond the room
 * (a few entries that came in between) is kept for later.
 *
 * The express lane is asked first. Then, of 20 reads 16 begin with the most urgent lane, 3 with the
 * second and 1 with the third: urgent work goes first, and no lane starves behind another. Shards
 * take turns in being asked first.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/queue/queue_internal.h"

#define BLOCK_MAX_MS   1000
#define REPLY_GRACE_MS 500
#define PLENTY         8 /* room for so many entries of each stream */
#define ARGV_FIXED     9 /* XREADGROUP GROUP w name COUNT n BLOCK ms STREAMS */

struct queue_reader {
    struct redis_conn *conn;
    char consumer[24];
    int shards[QUEUE_SHARDS_MAX];
    size_t shards_count;
    char keys[QUEUE_SHARDS_MAX][QUEUE_LANES][QUEUE_KEY_SIZE];
    uint64_t reads;
    uint64_t malformed;
    struct queue_entry kept[QUEUE_SHARDS_MAX * QUEUE_LANES];
    size_t kept_count;
    struct text argv[ARGV_FIXED + 2 * QUEUE_SHARDS_MAX * QUEUE_LANES];
};

/* Where one reply's entries go. */
struct sink {
    struct queue_entry *entries;
    size_t count;
    size_t max;
};

int queue_reader_open(const struct queue_reader_options *options, int64_t deadline_ms,
                      struct queue_reader **out, struct error *err)
{
    struct redis_options redis_options = {.url = options->url};
    struct queue_reader *reader;
    int r;

    ASSERT(options->shards_count > 0 && options->shards_count <= QUEUE_SHARDS_MAX);
    reader = xcalloc(1, sizeof(*reader));
    r = redis_conn_open(&redis_options, deadline_ms, &reader->conn, err);
    if (r < 0) {
        free(reader);
        return r;
    }
    snprintf(reader->consumer, sizeof(reader->consumer), "%" PRId64, options->worker_id);
    reader->shards_count = options->shards_count;
    for (size_t i = 0; i < options->shards_count; i++) {
        reader->shards[i] = options->shards[i];
        for (int lane = 0; lane < QUEUE_LANES; lane++)
            queue_lane_key(options->shards[i], lane, reader->keys[i][lane]);
    }
    *out = reader;
    return 0;
}

void queue_reader_close(struct queue_reader *reader)
{
    if (!reader)
        return;
    redis_conn_close(reader->conn);
    free(reader);
}

uint64_t queue_reader_malformed(const struct queue_reader *reader)
{
    return reader->malformed;
}

static bool parse_fields(const redisReply *fields, struct queue_hint *out)
{
    struct queue_hint hint = {0};
    bool has_run = false, has_fence = false;

    if (fields->type != REDIS_REPLY_ARRAY)
        return false;
    for (size_t i = 0; i + 1 < (size_t)fields->elements; i += 2) {
        struct text name = redis_reply_text(fields->element[i]);
        struct text value = redis_reply_text(fields->element[i + 1]);

        if (text_is(name, "run"))
            has_run = uuid_parse(value, &hint.run);
        else if (text_is(name, "fence"))
            has_fence = text_to_int(value, &hint.fence);
        else if (text_is(name, "read"))
            hint.read = text_is(value, "1");
    }
    if (!has_run || !has_fence || hint.fence < 0)
        return false;
    *out = hint;
    return true;
}

/* Removes an entry that is no hint of ours. */
SUSPENDS static int drop(struct queue_reader *reader, struct text key, struct text id,
                         struct error *err)
{
    struct text ack[] = {TEXT("XACK"), key, TEXT(QUEUE_GROUP), id};
    struct text del[] = {TEXT("XDEL"), key, id};
    int64_t deadline_ms = deadline_in(REPLY_GRACE_MS);
    int r = redis_conn_command(reader->conn, ack, 4, deadline_ms, NULL, err);

    reader->malformed++;
    if (r == 0)
        r = redis_conn_command(reader->conn, del, 3, deadline_ms, NULL, err);
    return r;
}

SUSPENDS static int take_entry(struct queue_reader *reader, struct text key,
                               const redisReply *reply, struct sink *sink, struct error *err)
{
    struct queue_entry entry = {0};
    struct text id;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !queue_lane_parse(key, &entry.shard, &entry.lane))
        return error_set(err, E_PROTOCOL, "an entry of the queue has a strange form");
    id = redis_reply_text(reply->element[0]);
    if (id.len == 0 || id.len >= sizeof(entry.id))
        return error_set(err, E_PROTOCOL, "an entry of the queue has a strange id");
    memcpy(entry.id, id.ptr, id.len);
    if (!parse_fields(reply->element[1], &entry.hint))
        return drop(reader, key, id, err);
    if (sink->count < sink->max)
        sink->entries[sink->count++] = entry;
    else if (reader->kept_count < ARRAY_LENGTH(reader->kept))
        reader->kept[reader->kept_count++] = entry;
    return 0;
}

/* [[stream, [[id, [name, value, ...]], ...]], ...] */
SUSPENDS static int take_reply(struct queue_reader *reader, const redisReply *reply,
                               struct sink *sink, struct error *err)
{
    for (size_t i = 0; i < (size_t)reply->elements; i++) {
        const redisReply *stream = reply->element[i];

        if (stream->type != REDIS_REPLY_ARRAY || stream->elements != 2 ||
            stream->element[1]->type != REDIS_REPLY_ARRAY)
            return error_set(err, E_PROTOCOL, "what was read from the queue has a strange form");
        for (size_t k = 0; k < (size_t)stream->element[1]->elements; k++) {
            int r = take_entry(reader, redis_reply_text(stream->element[0]),
                               stream->element[1]->element[k], sink, err);

            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* Redis forgot the group, or a stream went away under a block. */
static bool means_forgotten(const struct error *err)
{
    struct text text = text_of(err->text);

    return text_starts(text, "NOGROUP") || text_starts(text, "UNBLOCKED");
}

/* One XREADGROUP, whose words the caller wrote into reader->argv. */
SUSPENDS static int read_streams(struct queue_reader *reader, size_t argc, int64_t deadline_ms,
                                 struct sink *sink, struct error *err)
{
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    struct error own = {0};
    int r = redis_conn_command(reader->conn, reader->argv, argc, deadline_ms, &reply, &own);

    if (r == -E_REJECTED && means_forgotten(&own))
        return QUEUE_FORGOTTEN;
    if (r == 0 && reply->type == REDIS_REPLY_ARRAY)
        r = take_reply(reader, reply, sink, &own);
    if (r < 0 && err)
        *err = own;
    return r;
}

static size_t write_head(struct queue_reader *reader, const char *count, const char *block)
{
    size_t argc = 0;

    reader->argv[argc++] = TEXT("XREADGROUP");
    reader->argv[argc++] = TEXT("GROUP");
    reader->argv[argc++] = TEXT(QUEUE_GROUP);
    reader->argv[argc++] = text_of(reader->consumer);
    reader->argv[argc++] = TEXT("COUNT");
    reader->argv[argc++] = text_of(count);
    if (block) {
        reader->argv[argc++] = TEXT("BLOCK");
        reader->argv[argc++] = text_of(block);
    }
    reader->argv[argc++] = TEXT("STREAMS");
    return argc;
}

/* One lane of some shards, from the first on, around the end. */
struct slice {
    int lane;
    size_t first;
    size_t shards;
};

/* No more shards than there is room for. */
SUSPENDS static int read_slice(struct queue_reader *reader, const struct slice *slice,
                               struct sink *sink, struct error *err)
{
    char count[24];
    size_t argc;

    snprintf(count, sizeof(count), "%zu", (sink->max - sink->count) / slice->shards);
    argc = write_head(reader, count, NULL);
    for (size_t i = 0; i < slice->shards; i++)
        reader->argv[argc++] =
            text_of(reader->keys[(slice->first + i) % reader->shards_count][slice->lane]);
    for (size_t i = 0; i < slice->shards; i++)
        reader->argv[argc++] = TEXT(">");
    return read_streams(reader, argc, deadline_in(BLOCK_MAX_MS + REPLY_GRACE_MS), sink, err);
}

/* One lane of all shards, until there is no more room; doesn't block. */
SUSPENDS static int read_lane(struct queue_reader *reader, int lane, struct sink *sink,
                              struct error *err)
{
    size_t asked = 0;

    while (asked < reader->shards_count && sink->count < sink->max) {
        size_t left = sink->max - sink->count;
        struct slice slice = {lane, reader->reads + asked, reader->shards_count - asked};
        int r;

        if (slice.shards > left)
            slice.shards = left;
        r = read_slice(reader, &slice, sink, err);
        if (r != 0)
            return r;
        asked += slice.shards;
    }
    return 0;
}

/* On the express lanes alone, or on all; up to `each` entries of a stream. */
SUSPENDS static int block_on(struct queue_reader *reader, bool express, size_t each,
                             int64_t block_ms, struct sink *sink, struct error *err)
{
    char count[24], block[24];
    int first = express ? QUEUE_EXPRESS : 0;
    size_t argc, head;

    snprintf(count, sizeof(count), "%zu", each);
    snprintf(block, sizeof(block), "%" PRId64, block_ms);
    argc = head = write_head(reader, count, block);
    for (int lane = first; lane < QUEUE_LANES; lane++)
        for (size_t i = 0; i < reader->shards_count; i++)
            reader->argv[argc++] = text_of(reader->keys[i][lane]);
    for (size_t i = argc - head; i > 0; i--)
        reader->argv[argc++] = TEXT(">");
    return read_streams(reader, argc, deadline_in(block_ms + REPLY_GRACE_MS), sink, err);
}

static int first_lane(uint64_t reads)
{
    uint64_t turn = reads % 20;

    if (turn < 16)
        return 0;
    return turn < 19 ? 1 : 2;
}

/* Sets how far the lanes of priorities may fill the sink. */
static void allow_ordinary(struct sink *sink, const struct queue_room *room, size_t ordinary)
{
    size_t left = ordinary < room->ordinary ? room->ordinary - ordinary : 0;

    sink->max = sink->count + left < room->all ? sink->count + left : room->all;
}

SUSPENDS static int read_lanes(struct queue_reader *reader, const struct queue_room *room,
                               size_t ordinary, struct sink *sink, struct error *err)
{
    int first = first_lane(reader->reads);
    int r = read_lane(reader, QUEUE_EXPRESS, sink, err);

    allow_ordinary(sink, room, ordinary);
    if (r == 0 && sink->count < sink->max)
        r = read_lane(reader, first, sink, err);
    for (int lane = 0; lane < QUEUE_PRIORITIES && r == 0 && sink->count < sink->max; lane++)
        if (lane != first)
            r = read_lane(reader, lane, sink, err);
    return r;
}

/* What an earlier block brought too much of, as far as there is room. Returns how many of them are
 * of lanes of priorities. */
static size_t take_kept(struct queue_reader *reader, const struct queue_room *room,
                        struct sink *sink)
{
    size_t ordinary = 0;
    size_t left = 0;

    for (size_t i = 0; i < reader->kept_count; i++) {
        const struct queue_entry *entry = &reader->kept[i];
        bool express = entry->lane == QUEUE_EXPRESS;

        if (sink->count == sink->max || (!express && ordinary == room->ordinary)) {
            reader->kept[left++] = *entry;
            continue;
        }
        sink->entries[sink->count++] = *entry;
        ordinary += !express;
    }
    reader->kept_count = left;
    return ordinary;
}

static size_t count_ordinary(const struct sink *sink)
{
    size_t count = 0;

    for (size_t i = 0; i < sink->count; i++)
        count += sink->entries[i].lane != QUEUE_EXPRESS;
    return count;
}

/* Lane by lane, as far as there is room. */
SUSPENDS static int read_rest(struct queue_reader *reader, const struct queue_room *room,
                              size_t ordinary, struct sink *sink, struct error *err)
{
    int r = sink->count < room->all ? read_lanes(reader, room, ordinary, sink, err) : 0;

    sink->max = room->all;
    return r;
}

/* How many entries of every stream there is room for. */
static size_t share_of(const struct queue_reader *reader, const struct queue_room *room)
{
    size_t lanes = room->ordinary == 0 ? 1 : QUEUE_LANES;
    size_t least = room->ordinary == 0 || room->all < room->ordinary ? room->all : room->ordinary;

    return least / (lanes * reader->shards_count);
}

int queue_read(struct queue_reader *reader, struct queue_entry *out, struct queue_room room,
               int64_t block_ms, size_t *out_count, struct error *err)
{
    struct sink sink = {out, 0, room.all};
    size_t each = share_of(reader, &room);
    bool express = room.ordinary == 0;
    size_t ordinary;
    int r = 0;

    ASSERT(room.all > 0);
    if (block_ms > BLOCK_MAX_MS)
        block_ms = BLOCK_MAX_MS;
    ordinary = take_kept(reader, &room, &sink);
    if (each < PLENTY || block_ms <= 0 || sink.count > 0) {
        r = read_rest(reader, &room, ordinary, &sink, err);
        each = 1;
    }
    if (r == 0 && sink.count == 0 && block_ms > 0) {
        r = block_on(reader, express, each, block_ms, &sink, err);
        if (r == 0 && each > 1 && sink.count >= each) /* a stream may have more */
            r = read_rest(reader, &room, count_ordinary(&sink), &sink, err);
    }
    reader->reads++;
    /* What was read counts; the trouble, if it lasts, shows again at the next read. */
    if (sink.count > 0) {
        *out_count = sink.count;
        return 0;
    }
    return r == 0 ? QUEUE_EMPTY : r;
}
