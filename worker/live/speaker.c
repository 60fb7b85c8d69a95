/* Voices are told in turns of SPEAK_MS. A channel's frames gather in an outbox of its own. */

#include "worker/live/speaker.h"

#include <ev.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/events/follower.h"
#include "shared/fiber/loop.h"
#include "shared/redis/redis.h"
#include "shared/store/leases/run_leases.h"
#include "shared/store/leases/run_write.h"
#include "worker/live/audience.h"

enum {
    OUTBOXES_MAX = 16, /* channels at once; a further one waits for the next message */
    MESSAGE_BYTES = 64 << 10,
    BUCKETS = 1024,
};

struct outbox {
    char channel[LIVE_CHANNEL_MAX];
    struct buf frames;
};

struct speaker {
    struct redis *redis;
    struct audience audience;
    struct follower *follower;
    ev_timer turn;
    struct deferred now;
    struct list voices[BUCKETS]; /* that speak, by their runs */
    struct list pending;         /* of these, that have something to be told */
    struct outbox outboxes[OUTBOXES_MAX];
    size_t outboxes_count;
    struct speaker_stats stats;
};

static void send_outbox(struct speaker *speaker, struct outbox *outbox)
{
    const struct text argv[3] = {TEXT("PUBLISH"), text_of(outbox->channel),
                                 buf_text(&outbox->frames)};

    if (outbox->frames.len == 0)
        return;
    redis_post(speaker->redis, argv, 3);
    speaker->stats.messages++;
    speaker->stats.bytes += outbox->frames.len;
    buf_reset(&outbox->frames);
}

static void send_all(struct speaker *speaker)
{
    for (size_t i = 0; i < speaker->outboxes_count; i++)
        send_outbox(speaker, &speaker->outboxes[i]);
}

static struct outbox *outbox_of(struct speaker *speaker, const char *channel)
{
    struct outbox *outbox;

    for (size_t i = 0; i < speaker->outboxes_count; i++)
        if (strcmp(speaker->outboxes[i].channel, channel) == 0)
            return &speaker->outboxes[i];
    if (speaker->outboxes_count < OUTBOXES_MAX) {
        outbox = &speaker->outboxes[speaker->outboxes_count++];
    } else { /* channels come and go with schedulers: one that is not used now makes room */
        send_all(speaker);
        outbox = &speaker->outboxes[random_below(OUTBOXES_MAX)];
        buf_deinit(&outbox->frames);
    }
    memcpy(outbox->channel, channel, LIVE_CHANNEL_MAX);
    buf_init(&outbox->frames, 0);
    return outbox;
}

static void tell_channel(struct speaker *speaker, const struct voice *voice,
                         struct audience_channel *channel)
{
    struct outbox *outbox = outbox_of(speaker, channel->name);

    voice_tell(voice, channel->whole, &outbox->frames);
    channel->whole = false;
    if (outbox->frames.len >= MESSAGE_BYTES)
        send_outbox(speaker, outbox);
}

static void tell(struct speaker *speaker, struct voice *voice, int64_t now_ms)
{
    struct audience_of *of = audience_find(&speaker->audience, voice->run, now_ms);

    for (size_t i = 0; of && i < of->count; i++)
        tell_channel(speaker, voice, &of->channels[i]);
    voice_told(voice);
    list_remove(&voice->pending);
    list_init(&voice->pending);
}

static void tell_all(struct speaker *speaker, int64_t now_ms)
{
    list_for_each_safe (item, &speaker->pending)
        tell(speaker, CONTAINER_OF(item, struct voice, pending), now_ms);
    send_all(speaker);
}

static void tell_now(void *arg)
{
    struct speaker *speaker = arg;

    ev_timer_stop(loop_ev(), &speaker->turn);
    tell_all(speaker, clock_ms());
}

static void on_turn(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    tell_now(timer->data);
}

static struct list *bucket_of(struct speaker *speaker, struct uuid run)
{
    /* The last bytes of an id are random. */
    return &speaker->voices[(run.bytes[15] | run.bytes[14] << 8) % BUCKETS];
}

static struct voice *find_voice(struct speaker *speaker, struct uuid run)
{
    list_for_each (item, bucket_of(speaker, run)) {
        struct voice *voice = CONTAINER_OF(item, struct voice, bucket);

        if (uuid_equal(voice->run, run))
            return voice;
    }
    return NULL;
}

static void await_telling(struct speaker *speaker, struct voice *voice)
{
    if (list_empty(&voice->pending))
        list_add(&speaker->pending, &voice->pending);
}

static void take_ask(struct text channel, struct uuid run, bool whole, void *arg)
{
    struct speaker *speaker = arg;
    struct voice *voice = find_voice(speaker, run);

    audience_ask(&speaker->audience, channel, run, whole, clock_ms());
    if (!voice)
        return;
    voice->heard = true;
    if (!whole)
        return;
    await_telling(speaker, voice);
    loop_defer(&speaker->now);
}

static void take_asks(void *arg, struct text line)
{
    (void)asks_read(line, take_ask, arg);
}

struct speaker *speaker_start(struct redis *redis, const char *redis_url)
{
    struct speaker *speaker = xcalloc(1, sizeof(*speaker));
    const struct follower_options follower = {
        .redis_url = redis_url,
        .channel = ASKS_CHANNEL,
        .hear = take_asks,
        .arg = speaker,
    };

    speaker->redis = redis;
    audience_init(&speaker->audience);
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&speaker->voices[i]);
    list_init(&speaker->pending);
    deferred_init(&speaker->now, tell_now, speaker);
    ev_timer_init(&speaker->turn, on_turn, SPEAK_MS / 1e3, 0.0);
    speaker->turn.data = speaker;
    speaker->follower = follower_start(&follower);
    return speaker;
}

void speaker_stop(struct speaker *speaker)
{
    if (!speaker)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        ASSERT(list_empty(&speaker->voices[i]));
    follower_stop(speaker->follower);
    ev_timer_stop(loop_ev(), &speaker->turn);
    loop_undefer(&speaker->now);
    for (size_t i = 0; i < speaker->outboxes_count; i++)
        buf_deinit(&speaker->outboxes[i].frames);
    audience_deinit(&speaker->audience);
    free(speaker);
}

void speaker_expect(struct speaker *speaker, struct uuid run)
{
    if (speaker)
        audience_expect(&speaker->audience, run, clock_ms());
}

/* Who listens to a thread listens to its runs. */
static struct audience_of *listeners(struct speaker *speaker, const struct run_claim *claim)
{
    struct audience *audience = &speaker->audience;
    int64_t now_ms = clock_ms();
    const struct audience_of *found = audience_find(audience, claim->thread_id, now_ms);
    struct audience_of of = found ? *found : (struct audience_of){.count = 0};

    for (size_t i = 0; i < of.count; i++)
        audience_ask(audience, text_of(of.channels[i].name), claim->lease.run, false, now_ms);
    return audience_find(audience, claim->lease.run, now_ms);
}

void speaker_begin(struct speaker *speaker, struct voice *voice, const struct run_claim *claim,
                   struct uuid reply, bool streamed)
{
    bool heard = speaker && listeners(speaker, claim);

    if (!speaker || !(heard || streamed))
        return;
    voice_begin(voice, claim->lease.run, reply, heard);
    voice->writes = (uint32_t)claim->lease.step;
    list_add(bucket_of(speaker, claim->lease.run), &voice->bucket);
    list_init(&voice->pending);
}

static void await_turn(struct speaker *speaker)
{
    if (!ev_is_active(&speaker->turn))
        ev_timer_start(loop_ev(), &speaker->turn);
}

void speaker_hear(struct speaker *speaker, struct voice *voice, const struct chat_event *event)
{
    size_t untold;

    if (!voice->speaks)
        return;
    voice_hear(voice, event);
    untold = voice->heard ? voice_untold(voice) : 0;
    if (untold == 0)
        return;
    await_telling(speaker, voice);
    if (untold >= SPEAK_BYTES)
        loop_defer(&speaker->now);
    else
        await_turn(speaker);
}

void speaker_end(struct speaker *speaker, struct voice *voice)
{
    bool heard = voice->heard;

    if (!voice->speaks)
        return;
    if (heard)
        tell(speaker, voice, clock_ms());
    list_remove(&voice->bucket);
    voice_deinit(voice);
    if (heard)
        loop_defer(&speaker->now);
}

static void tell_stored(struct speaker *speaker, const struct audience_of *of, struct uuid id,
                        bool soon)
{
    const struct frame frame = {.kind = FRAME_STORED, .run = id};

    for (size_t i = 0; of && i < of->count; i++)
        frame_write(&outbox_of(speaker, of->channels[i].name)->frames, &frame);
    if (of && soon)
        await_turn(speaker);
    else if (of)
        loop_defer(&speaker->now);
}

void speaker_stored(struct speaker *speaker, const struct run_claim *claim, bool soon)
{
    if (!speaker)
        return;
    tell_stored(speaker, listeners(speaker, claim), claim->lease.run, soon);
    tell_stored(speaker, audience_find(&speaker->audience, claim->thread_id, clock_ms()),
                claim->thread_id, soon);
}

void speaker_stats_get(const struct speaker *speaker, struct speaker_stats *out)
{
    *out = speaker->stats;
    out->hears = follower_hears(speaker->follower);
}
