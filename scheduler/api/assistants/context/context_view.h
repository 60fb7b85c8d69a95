#pragma once
/* What a run would be given of its thread, as the API shows it: by the same functions that decide
 * it for the run (providers/context). Pure. */

#include "shared/agent/context_settings.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/store/summaries/summaries.h"
#include "shared/store/threads/messages.h"

struct error;

struct context_view {
    struct uuid thread;
    struct uuid agent; /* zero: none */
    struct uuid run;   /* whose settings they are; zero: those of a run that would be made now */
    struct text spec;  /* the run's, or the agent's with what the thread says; TEXT_NONE: neither */
    struct context_settings settings;
    struct text model;        /* TEXT_NONE: nobody says which */
    int64_t context_tokens;   /* of the model; 0: not known */
    int64_t output_tokens;    /* that it may answer; 0: not known */
    struct message_list list; /* the thread's first messages, or others that are near to what was
                               * said last, and its newest ones */
    size_t first;             /* how many of these are its first ones */
    struct message_gap gap;   /* what was not read: it stands behind the first ones */
    const size_t *breaks;     /* or what was not read stands in front of these, ascending */
    const struct message_gap *gaps; /* which is this: one for each of them */
    size_t breaks_count;
    bool degraded;                 /* near ones were looked for by words alone */
    struct thread_summary summary; /* that it would be given; none: text TEXT_NONE */
    struct message_gap summarized; /* what that speaks of, before all others */
};

/* Appends it to `out`. It goes through the texts of all messages. Returns 0, or -E_INVALID or
 * -E_LIMIT as context_build. */
MUSTCHECK int context_view_write(const struct context_view *view, struct arena *arena,
                                 struct buf *out, struct error *err);
