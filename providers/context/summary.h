#pragma once
/* Summaries of conversations, in place of old messages: when one is due, what it is to speak of,
 * and what a model is asked that is to make it. Beside context.h the header of this folder that
 * others know. Pure.
 *
 *   what is behind the summary     ├─ record ─┤ m m m m m m m m m m m m ┆ m m m m m m
 *   the next one                              └── summary_plan ────────┘ └─ stays ──┘
 *                                   └──────── the next record ─────────┘
 */

#include "providers/context/context.h"
#include "shared/store/summaries/summaries.h"

/* Whether the next summary is to be made, where so many tokens stand behind the present one: more
 * than `trigger`; and where it was tried before without a result, half of it more than then. */
bool summary_is_due(int64_t tokens, int64_t trigger, int64_t tried_tokens);

/* So many of the newest stay as they are. */
#define SUMMARY_KEEP_OF(trigger_tokens) ((trigger_tokens) / 2)

/* Of the messages of a conversation, without its record; no more than `most` are looked at closely
 * enough to know. */
int64_t summary_tokens_behind(const struct context *context, int64_t most);

/* What the next summary is to speak of. */
struct summary_plan {
    const struct thread_summary *seen; /* the present one */
    const struct chat_message *messages;
    size_t
        count; /* of the messages, from the first behind the record on, those that it speaks of */
    int64_t read; /* and so many were read of the thread for that, */
    int64_t from; /* which stand here */
    int64_t to;
    int64_t tokens;        /* of the record that there is, and of these messages */
    int64_t answer_tokens; /* that the summary may have */
};

/* The newest messages with keep_tokens stay, or the last turn. `before`: messages from this
 * position on stay, too. False: there is nothing that it could speak of. */
bool summary_plan(const struct context *context, const struct message_list *history,
                  const struct thread_summary *seen, int64_t keep_tokens, int64_t before,
                  struct summary_plan *out);

/* Who is asked. */
struct summary_model {
    int64_t context_tokens; /* 0: not known */
    bool reasons;           /* it may think first, which counts as its answer */
};

/* What it is asked. What it is told of the messages is in the arena. Returns 0, or -E_LIMIT. */
MUSTCHECK int summary_ask(const struct summary_plan *plan, const struct summary_model *model,
                          struct arena *arena, struct chat_request *out, struct error *err);

/* From what it answered to what is to be stored, but for the run and the model; in the arena.
 * SUMMARY_USELESS: it has said nothing, or not much less than what it was to sum up. */
enum { SUMMARY_USELESS = 1 };
MUSTCHECK int summary_take(const struct summary_plan *plan, const struct chat_reply *reply,
                           struct arena *arena, struct summary_draft *out, struct error *err);

/* The conversation of which it was planned becomes the record of that summary, and what is behind
 * it. Returns 0, or -E_LIMIT. */
MUSTCHECK int summary_shorten(struct context *context, const struct summary_plan *plan,
                              const struct summary_draft *draft, struct arena *arena,
                              struct error *err);
