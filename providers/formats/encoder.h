#pragma once
/* What the encoders of several formats share. Pure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"

struct error;
struct json_write;

/* Parameters of a tool of which none are known. Some servers refuse an object that names no
 * properties. */
#define ENCODER_ANY_OBJECT "{\"type\":\"object\",\"properties\":{}}"

/* Nothing where it is not set. */
void encoder_switch(struct json_write *write, const char *name, enum chat_switch value);

/* Returns 0, or -E_INVALID for a number that JSON can't say. */
MUSTCHECK int encoder_check_numbers(const struct chat_request *request, struct error *err);

/* What ends the reply, as a member of that name; nothing where nothing does. */
void encoder_stops(struct json_write *write, const char *name, const struct chat_request *request);

/* Both penalties, by these names. */
void encoder_penalties(struct json_write *write, const char *presence, const char *frequency,
                       const struct chat_request *request);

/* request->max_completion_tokens, but no more than the model can give: some servers refuse that. 0:
 * not set. */
int64_t encoder_output_tokens(const struct provider_target *target,
                              const struct chat_request *request);

/* Number of the first message behind the last of the user: there the present turn begins. */
size_t encoder_present_turn(const struct chat_request *request);

/* The name of the call that message number `index`, of a tool, answers. TEXT_NONE: no message
 * before it has such a call. */
struct text encoder_called_name(const struct chat_request *request, size_t index);

#define ENCODER_PAST_TOOLS_MAX 128

/* The tools that were called in the conversation, each once, and no more than
 * ENCODER_PAST_TOOLS_MAX. A run without tools on a thread whose earlier runs called some: servers
 * want to know what was called. Begins with a walk of zeros. */
struct encoder_past_tools {
    size_t message;
    size_t call;
    size_t given;
};
MUSTCHECK bool encoder_next_past_tool(const struct chat_request *request,
                                      struct encoder_past_tools *walk, struct text *out_name);
