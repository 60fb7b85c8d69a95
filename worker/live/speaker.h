#pragma once
/* The speaker of a worker: tells listeners what the models of its runs say, and that something of a
 * run was stored.
 *
 *     scheduler: who is listened to ──► PUBLISH live:asks ──► follower ──► audience
 *     model: events ──► voice (while somebody listens) ──┐
 *     persist: something was stored ────────────────────┴──► PUBLISH live:… ──► scheduler/live
 *
 * Pieces of all runs gather for SPEAK_MS, or until a run has SPEAK_BYTES, and leave as one message
 * for each channel. Nobody is kept waiting for Redis, and nobody learns whether it was heard: who
 * missed something sees that and asks for the whole, and what is stored Postgres tells. So a run
 * that nobody listens to costs a look into a table for each write, and a copy of the beginning of
 * its reply where that is streamed anyway.
 */

#include "shared/base/compiler.h"
#include "worker/live/voice.h"

#define SPEAK_MS    20
#define SPEAK_BYTES 512

struct redis;
struct run_claim;
struct speaker;

/* `redis` is a connection that others share; it must outlive the speaker, as the URL must. All
 * functions below but speaker_stats_get accept NULL: a worker whose runs nobody can hear. */
struct speaker *speaker_start(struct redis *redis, const char *redis_url);
SUSPENDS void speaker_stop(struct speaker *speaker); /* no voice speaks any more; accepts NULL */

/* The run is about to be taken, and somebody reads it whose ask may still be on its way. */
void speaker_expect(struct speaker *speaker, struct uuid run);

/* A model begins a reply of the run that will have this id: the voice speaks, if the run or its
 * thread is heard, or may be later (`streamed`: the reply comes in pieces whoever listens). */
void speaker_begin(struct speaker *speaker, struct voice *voice, const struct run_claim *claim,
                   struct uuid reply, bool streamed);
void speaker_hear(struct speaker *speaker, struct voice *voice, const struct chat_event *event);

/* The reply has come to its end, whatever its end is: what was not told is told. */
void speaker_end(struct speaker *speaker, struct voice *voice);

/* Something of the run was stored; `soon`: what is heard of it within SPEAK_MS is heard early
 * enough. Who listens to its thread is told so of the thread, and listens to the run from then on:
 * he learns which that is from Postgres, and asks for the whole of what it has said meanwhile. */
void speaker_stored(struct speaker *speaker, const struct run_claim *claim, bool soon);

struct speaker_stats {
    bool hears;        /* who is listened to */
    uint64_t bytes;    /* told */
    uint64_t messages; /* PUBLISHes */
};
void speaker_stats_get(const struct speaker *speaker, struct speaker_stats *out);
