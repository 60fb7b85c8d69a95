#pragma once
/* The JSON in which a run's messages, calls and usage are stored and shown. Pure: each appends to
 * `out`, which is the caller's. Texts must be UTF-8. */

#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "worker/run/task/ledger.h"

/* The content parts of a message: one text, or one refusal. */
void shape_content(struct buf *out, struct text text, bool refusal);

void shape_usage(struct buf *out, const struct chat_usage *usage);

/* The calls as a message carries them: [{id,name,arguments,said}], `said` only of a call that has
 * one. */
void shape_message_calls(struct buf *out, const struct chat_tool_call *calls, size_t count);

/* The calls as the API shows those of a step: "output" is null until there is one, and with it
 * comes how the call went; of a call whose effect is not known, "status" says so; of one that needs
 * an approval, "approval" says what was decided. */
void shape_step_calls(struct buf *out, const struct ledger_call *calls, size_t count);

/* What somebody is asked about calls that need an approval. */
struct shape_asking {
    const struct toolbox *tools; /* for what else the arguments might be */
    int64_t now_s;               /* unix seconds */
};

/* What the client is to do, as the API shows it: the open calls that it settles, and those that
 * somebody is to allow. These are no functions of the client, so they have a name of their own,
 * which stands for nothing that a client runs: a program that looks a function up by its name finds
 * none. False: there is nothing to do. */
#define APPROVAL_FUNCTION "approve_tool_call"
bool shape_required_action(struct buf *out, const struct ledger_call *calls, size_t count,
                           const struct shape_asking *asking);
