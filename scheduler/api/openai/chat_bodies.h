#pragma once
/* The bodies of calls of models, one table each. Pure. */

#include "shared/check/fields.h"

extern const struct fields body_chat_completion;
extern const struct fields body_embedding;

#define CHAT_MESSAGES_MAX    10000
#define EMBEDDING_INPUTS_MAX 2048
