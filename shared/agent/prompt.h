#pragma once
/* The system prompt of an agent: the parts that say who it is, one section each, then its
 * instructions without a heading. Pure.
 *
 *     # Role                      # Communication Style
 *     …                           Tone: …
 *                                 Style: …
 *     # Goal
 *     …                           # Example Interactions
 *                                 User: …
 *     # Constraints               Assistant: …
 *     - …
 *     - …                         User: …
 *                                 Assistant: …
 *
 * An empty line stands between sections, and a part that says nothing has none. */

#include "shared/agent/spec.h"
#include "shared/base/text.h"

/* Appends the sections; nothing, when no part says anything. */
void agent_preamble_write(const struct agent_spec *spec, struct buf *out);

/* Appends the whole: the sections, then the instructions. Either may be empty or TEXT_NONE. */
void agent_prompt_write(struct text preamble, struct text instructions, struct buf *out);
