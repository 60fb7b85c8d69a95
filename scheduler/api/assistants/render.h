#pragma once
/* The API's objects as JSON text. Every member that the API has is always there, null where there
 * is nothing. What the store keeps as JSON goes in as it is. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/store/agents/agents.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/runs/runs.h"
#include "shared/store/search/search.h"
#include "shared/store/threads/messages.h"
#include "shared/store/threads/threads.h"

struct agent_spec;

/* `version` is shown as an extension; so are the members of the spec that OpenAI has not. */
void render_assistant(const struct agent *agent, const struct agent_spec *spec, struct buf *out);
/* The system prompt of an agent, with about how many tokens it has. */
void render_prompt(const struct agent *agent, struct text prompt, bool template, struct buf *out);

void render_thread(const struct thread *thread, struct buf *out);
void render_search_hit(const struct search_hit *hit, struct buf *out);
void render_message(const struct message *message, struct buf *out);
void render_run(const struct run *run, struct buf *out);
void render_step(const struct run_step *step, struct buf *out);

/* {"id":…,"object":"thread.deleted","deleted":true} */
