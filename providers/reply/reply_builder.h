#pragma once
/* A reply as it comes together, piece by piece or at once: what all wire formats decode into.
 *
 * A format hands over values of the provider's JSON as they lie there (json_raw.h); what they say
 * is added here, and told to whoever watches. Servers that write badly are understood: a string may
 * be an array of parts, arguments may be an object, the name of a call may come in pieces or again
 * and again.
 *
 * Bounded: what is in it has at most so many bytes; beyond, it is `full` and takes nothing more.
 * Pure. */

#include "providers/chat_event.h"
#include "shared/base/compiler.h"

struct error;

struct reply_call {
    int64_t key; /* what the provider calls it by while it streams */
    struct buf id;
    struct buf name;
    struct buf arguments;
};

struct reply_builder {
    const struct chat_sink *sink; /* NULL: nobody watches */
    struct buf text;
    struct buf refusal;
    struct buf reasoning;
    struct buf model;
    struct buf state;    /* the format's own JSON: the "message" of a reply's opaque_state */
    struct buf state_id; /* what the provider calls what it kept */
    struct reply_call *calls;
    size_t calls_count;
    struct chat_usage usage;
    enum chat_finish finish;
    bool finished; /* the provider said why it ends */
    bool full;
    size_t bytes; /* in it */
    size_t bytes_max;
};

void reply_builder_init(struct reply_builder *builder, const struct chat_sink *sink,
                        size_t bytes_max);
void reply_builder_deinit(struct reply_builder *builder);

/* Add what a value says: a string, an array of parts, one part; of anything else its JSON. Nothing
 * of null and TEXT_NONE. */
void reply_add_text(struct reply_builder *builder, struct text value);
void reply_add_refusal(struct reply_builder *builder, struct text value);
void reply_add_reasoning(struct reply_builder *builder, struct text value);

/* The call that the provider calls `key`, or SIZE_MAX. */
size_t reply_find_call(const struct reply_builder *builder, int64_t key);

/* Begins a call; id and name are values, and may be absent. Returns its number, or SIZE_MAX where
 * there are REPLY_CALLS_MAX already: what is then said of it is dropped. */
size_t reply_open_call(struct reply_builder *builder, int64_t key, struct text id,
                       struct text name);

/* Adds to the name of a call, unless it has that one, or has arguments already. */
void reply_add_name(struct reply_builder *builder, size_t number, struct text name);

/* Adds what a string says, or an object as it was written. A number of SIZE_MAX does nothing. */
void reply_add_arguments(struct reply_builder *builder, size_t number, struct text value);

/* The model that answers, as the provider names it: the first that is given counts. */
void reply_set_model(struct reply_builder *builder, struct text value);

/* What the provider calls what it kept of the exchange: as the model, the first that is given. */
void reply_set_state_id(struct reply_builder *builder, struct text value);

void reply_set_usage(struct reply_builder *builder, const struct chat_usage *usage);

/* Whether calls make it CHAT_FINISH_TOOL, and a refusal CHAT_FINISH_REFUSAL, is decided here. */
void reply_set_finish(struct reply_builder *builder, enum chat_finish finish);

/* What an object holds at `name`, as a number of tokens within 0 and CHAT_TOKENS_MAX, so that a few
 * of them can be added; 0: nothing that is one. */
int64_t reply_tokens_at(struct text object, const char *name);

/* The same of a number of dollars, in micro-dollars: half a micro-dollar and more is one, and what
 * is above REPLY_DOLLARS_MAX counts as that. */
#define REPLY_DOLLARS_MAX 10000
int64_t reply_dollars_at(struct text object, const char *name);

/* For a format's close: what the model thought before it called becomes the state, {"name": "…"},
 * of a reply that has both. */
void reply_keep_reasoning(struct reply_builder *builder, const char *name);

/* The reply, into the arena of *out; limits and opaque_state are the caller's to set. Returns 0, or
 * -E_LIMIT when the builder was full or the arena is. */
MUSTCHECK int reply_builder_take(struct reply_builder *builder, struct chat_reply *out,
                                 struct error *err);
