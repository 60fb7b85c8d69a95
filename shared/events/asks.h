#pragma once
/* Asks: whom workers are to tell of which runs, as one line of text. Who names a thread asks for
 * all of its runs. Pure.
 *
 *     listen live:4f1c… 0195f3a2-…-… 0195f3a3-…-…
 *
 * An ask holds for ASK_HOLDS_MS, so whoever listens asks again before that. "whole" in place of
 * "listen" asks besides for what was said of the present reply so far.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"

#define ASKS_CHANNEL     "live:asks"
#define ASKS_IDS_MAX     256 /* of one line */
#define ASK_HOLDS_MS     15000
#define LIVE_CHANNEL_MAX 48

/* The channel on which a process listens: "live:" and what tells it from others. */
void live_channel_new(char out[LIVE_CHANNEL_MAX]);

/* Begins a line of asks. */
void asks_begin(struct buf *line, struct text channel, bool whole);
void asks_add(struct buf *line, struct uuid run);

typedef void (*asks_fn)(struct text channel, struct uuid run, bool whole, void *arg);

/* Reads a line as it was received; what is no ask is passed over. Returns how many there were. */
size_t asks_read(struct text line, asks_fn fn, void *arg);
