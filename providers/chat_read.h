#pragma once
/* From the JSON of the API to the types of chat.h. What is stored of an agent, a run or a
 * message is the API's JSON; it is read once, here, and each wire format says it in its own way.
 * Pure.
 *
 * Each takes the text of a JSON value (TEXT_NONE: there is none), which need not have been
 * checked, and puts copies of its texts into the arena. Each returns 0 with *out; -E_INVALID
 * with what is wrong with it; -E_LIMIT when the arena is full. */

#include "providers/chat.h"
#include "shared/base/compiler.h"

struct error;

/* "auto", "none", "required", {"type": "function", "function": {"name": …}}, or {"type": NAME}
 * for a tool that the server runs: a model sees it as a function of that name. */
MUSTCHECK int chat_read_tool_choice(struct text json, struct arena *arena,
                                    struct chat_tool_choice *out, struct error *err);

/* "auto", {"type": "text"}, {"type": "json_object"}, or {"type": "json_schema", "json_schema":
 * {"name", "description", "schema", "strict"}}. The schema is kept as it was written. */
MUSTCHECK int chat_read_format(struct text json, struct arena *arena, struct chat_format *out,
                               struct error *err);

/* An array of content parts: type text (a string or {"value"}) image_url and
 * image_file, whose part has no url yet. Texts next to each
 * other become one, with a line feed between them. */
MUSTCHECK int chat_read_parts(struct text json, struct arena *arena, struct chat_part **out,
                              size_t *out_count, struct error *err);

/* {"name", "description", "parameters", "strict"} of a function. Parameters are kept as written. */
MUSTCHECK int chat_read_function(struct text json, struct arena *arena, struct chat_tool *out,
                                 struct error *err);
