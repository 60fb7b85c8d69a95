#pragma once
/* The bodies of responses. Pure. */

#include "shared/check/fields.h"

extern const struct fields body_response;
extern const struct fields body_input_tokens;
extern const struct fields body_compact;

/* Whether the type of a tool is one of OpenAI's names for web_search. */
bool response_tool_searches(struct text type);
