#pragma once
/* News: what processes tell each other of runs, as one line of text. Pure.
 *
 *     settled 0195f3a2-…-… 0195f3a3-…-…
 *
 * A word and the ids that it is about. News are hints: they may be lost, come late, come twice, or
 * from anybody who can write to Redis. So whoever hears them asks Postgres, and what was not heard
 * is found without them. A word that the reader does not know is passed over: a newer sender may
 * say more.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"

#define NEWS_CHANNEL "runs:news" /* of all who tell and follow */
#define NEWS_IDS_MAX 256         /* of one line: some 9 KiB */

enum news_kind {
    NEWS_SETTLED,     /* runs: each has ended, or may need its client (requires_action) */
    NEWS_CHANGED,     /* runs that have ended: something else of them is different now */
    NEWS_THREAD_GONE, /* threads: each was deleted, with its runs */
    NEWS_KINDS,
};

/* Begins a line of this kind. */
void news_begin(struct buf *line, enum news_kind kind);
void news_add(struct buf *line, struct uuid id);

/* Called for each id of a line. Must not suspend. */
typedef void (*news_fn)(enum news_kind kind, struct uuid id, void *arg);

/* Reads a line as it was received: at most NEWS_IDS_MAX ids, what is none is passed over. Returns
 * how many there were. */
size_t news_read(struct text line, news_fn fn, void *arg);
