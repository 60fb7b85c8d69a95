#pragma once
/* A strategy: how much of its thread a run is given. One struct of functions, a file each, and a
 * row in the table of strategies.c. Pure. */

#include "providers/chat.h"
#include "providers/context/context.h"
#include "providers/context/window.h"
#include "shared/agent/context_settings.h"

struct strategy {
    /* What is read of the thread, so that never more of it is read than may be sent. */
    void (*reads)(const struct context_settings *settings, struct context_ask *out);
    /* Which of that is sent, as window_fit. `first` messages at the front of the request are the
     * thread's first ones, and are to stay. */
    int (*fit)(const struct chat_request *request, size_t first, const struct window_limits *limits,
               struct window *out);
};

extern const struct strategy strategy_auto;
extern const struct strategy strategy_none;
extern const struct strategy strategy_last_messages;
extern const struct strategy strategy_first_last;
extern const struct strategy strategy_summarize;
extern const struct strategy strategy_vector;

const struct strategy *strategy_of(enum context_strategy strategy);

/* The newest turns that fit: `fit` of those that have nothing at the front to keep. */
int strategy_fit_newest(const struct chat_request *request, size_t first,
                        const struct window_limits *limits, struct window *out);

/* These behind what is at the front; that is shortened only where the last turn alone leaves no
 * room for it. */
int strategy_fit_ends(const struct chat_request *request, size_t first,
                      const struct window_limits *limits, struct window *out);
