#pragma once
/* From the history of a thread to the conversation that the model sees: the one header of this
 * folder that others know: the life of a run, and the API, which shows what a run would be given.
 * Pure. */

#include "providers/provider.h"
#include "shared/agent/context_settings.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/store/threads/messages.h"

struct error;
struct thread_summary;

struct context {
    struct chat_message *messages;
    size_t count;
    size_t
        first; /* of them, at the front, which are to stay: the thread's first ones, or the record
                   * of its summary, which is none of its messages (stored is 0) */
};

/* What is to be read of a thread, as the settings of its run say. */
struct context_ask {
    enum history_part part; /* HISTORY_NEWEST, HISTORY_NEW, or HISTORY_AFTER: behind its summary */
    int64_t
        newest;    /* of that, so many that were there before the run wrote any; 0: as many as a run
                     * is ever given */
    int64_t first; /* and so many of the thread's first messages */
    int64_t near;  /* or turns that are near to what was said last (providers/nearest) */
};

void context_ask(const struct context_settings *settings, struct context_ask *out);

/* What was read. */
struct context_history {
    const struct message_list *history;
    size_t first; /* so many of it, at the front, are the thread's first ones, and are to stay */
    size_t gap;   /* behind so many of it others are missing; 0: none is */
    struct uuid pending_run; /* zero: none */
    const size_t *breaks; /* in front of these, ascending, others are missing, and a mark says so */
    size_t breaks_count;
    const struct thread_summary *summary; /* of what is before it, and not in it; NULL: none. Not
                                           * beside gaps and breaks */
};

/* Turns stored messages into chat messages, and repairs what a provider would refuse (repair.h).
 * Only the last message of `pending_run` may keep calls without results: they are about to be
 * executed. Calls and results that a gap parts are left out. The texts are borrowed from the
 * history. Returns 0 with *out, or -E_INVALID for a message whose JSON can't be read, or -E_LIMIT
 * when the arena is full. */
MUSTCHECK int context_build(const struct context_history *source, struct arena *arena,
                            struct context *out, struct error *err);

/* The text of API content parts: text parts joined by line feeds; other parts are skipped. */
MUSTCHECK int context_parts_text(struct text parts, struct arena *arena, struct text *out,
                                 struct error *err);

/* Whether every provider takes it (repair.h). */
bool context_is_sound(const struct context *context);

/* Makes it so. Returns 0, or -E_LIMIT when the arena is full. */
MUSTCHECK int context_repair(struct context *context, struct arena *arena, struct error *err);

/* Where messages that are not beside each other are put together. Begins with zeros; what it holds
 * is in the arena. */
struct context_joined {
    struct arena *arena;
    struct chat_message *items;
    size_t room;
};

/* By what it is decided which messages of a conversation are sent. */
struct context_plan {
    const struct context_settings *settings;
    size_t first; /* of struct context */
    struct context_joined *joined;
};

/* How much of a conversation fits into the model's context, over the tries of one step. Begins with
 * zeros. */
struct context_fit {
    size_t first;    /* messages at the front that are sent, */
    size_t left_out; /* and behind them that are not */
    int64_t tokens;  /* of what is sent, at most */
    bool refused;    /* the provider found it too long */
};

/* Leaves turns out of a request where it does not fit (window.h), as its strategy has it. One that
 * is too long even so is sent all the same: sizes are estimates, and the provider knows. */
void context_fit(const struct provider_target *target, const struct context_plan *plan,
                 struct context_fit *fit, struct chat_request *request);

/* How many tokens the messages of a request may have: what its instructions, its tools and the
 * answer leave of the model's window, or less. 0: nobody knows. */
int64_t context_budget(const struct provider_target *target, const struct context_plan *plan,
                       const struct chat_request *request);

/* The provider says that a request was too long; `request` is the whole one. Returns whether there
 * is less that can be sent, which context_fit then does. Only once: it never loops. */
MUSTCHECK bool context_refused(const struct provider_target *target,
                               const struct context_plan *plan, struct context_fit *fit,
                               const struct chat_request *request);
