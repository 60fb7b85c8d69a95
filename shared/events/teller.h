#pragma once
/* Telling news: what is told in one turn of the loop leaves as one PUBLISH of each kind (some more
 * where there is much), in the write in which the turn's other commands leave. Writes of a group
 * are known in one turn, so this is one PUBLISH a group.
 *
 * Nobody is kept waiting, and nobody learns whether it was heard: without Redis it is lost. A
 * teller that tells on demand sends nothing while nobody has asked for news for NEWS_WANTED_MS, so
 * a run that nobody waits for costs nothing more.
 */

#include "shared/base/compiler.h"
#include "shared/events/news.h"

struct redis;
struct teller;

/* Who wants news asks for them every second. */
#define NEWS_WANTED_MS 5000

/* On a connection that others share; it must outlive the teller. */
struct teller *teller_new(struct redis *redis, bool on_demand);

/* What was told and has not left is dropped. Accepts NULL. */
void teller_free(struct teller *teller);

/* To be called after the commit. Does not suspend. */
void teller_tell(struct teller *teller, enum news_kind kind, struct uuid id);

/* Somebody asks for news: they are told for a while. */
void teller_wanted(struct teller *teller);

struct teller_stats {
    uint64_t told;     /* ids */
    uint64_t messages; /* PUBLISHes */
};
struct teller_stats teller_stats(const struct teller *teller);
