#pragma once
/* The bodies of responses. Pure. */

#include "shared/check/fields.h"

extern const struct fields body_response;
extern const struct fields body_input_tokens;
extern const struct fields body_compact;
