#pragma once
/* A conversation that fits into a model's context window: how many of its oldest messages are left
 * out.
 *
 *   - Whole turns are left out, the oldest first. A turn begins with a user message; what stands
 *     before the first one goes as if it were a turn.
 *   - The last user message and all behind it stay, and so do instructions and tools. Without a
 *     user message everything stays.
 *   - Who wants the first messages to stay (strategy_first_last.c) cuts behind them.
 *   - A call and its result are never parted.
 *
 * The conversation is one that repair.h calls sound; of any other the rules hold as well, but fewer
 * places to cut may be found.
 *
 * Sizes are estimates (providers/chat_tokens.h), so a provider may refuse what was thought to fit.
 * Then the same is asked again with what was `refused`, and the result is at most three quarters of
 * that, or WINDOW_FULL: after a few refusals nothing is left to be left out, and it ends.
 *
 * It goes from the newest message back and stops where the window is full, so it costs what the
 * window holds, not what the thread is long. Pure. */

#include "providers/chat.h"
#include "shared/base/compiler.h"
#include "shared/text/tokens.h"

struct window {
    size_t first;    /* messages at the front of the request that are sent all the same */
    size_t left_out; /* messages behind these that are not */
    int64_t tokens;  /* of what is sent, estimated: what may never be left out, at least */
};

struct window_limits {
    enum tokens_vocabulary vocabulary;
    int64_t window_tokens;   /* what the model takes, prompt and answer together; 0: not known, then
                            * all is sent until it was refused */
    int64_t answer_tokens;   /* of it, kept for the answer */
    int64_t messages_tokens; /* what the messages may have; 0: what the rest leaves of the window */
    int64_t before_tokens;   /* of messages that are sent before those of the request */
    const struct window *refused; /* what was sent before, and was too long for the provider; NULL:
                                   * this is the first try */
};

enum { WINDOW_FULL = 1 };

/* No fewer than the tokens of a message, found without estimating: a text has no more of them than
 * bytes. */
int64_t window_tokens_at_most(const struct chat_message *message);

/* How many tokens a prompt may have of which these are instructions and tools. */
int64_t window_room(const struct window_limits *limits, int64_t frame_tokens);

/* Returns 0, or WINDOW_FULL: even what may not be left out does not fit. The run is then incomplete
 * (max_prompt_tokens); sending it would be refused. Fills *out either way. */
MUSTCHECK int window_fit(const struct chat_request *request, const struct window_limits *limits,
                         struct window *out);
