#pragma once
/* The system prompt of an agent: the parts that say who it is, one section each, then its
 * instructions without a heading, then what is known of the user (memory.h). Pure.
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

/* Appends a piece of a prompt that begins at `first` of *out: behind an empty line, where others
 * are before it. An empty one is none. */
void agent_prompt_add(struct text piece, size_t first, struct buf *out);

/* Appends the whole: the sections, the instructions, the section of the user's memory. Each may be
 * empty or TEXT_NONE. */
void agent_prompt_write(struct text preamble, struct text instructions, struct text memory,
                        struct buf *out);
