#pragma once
/* A request for a chat completion, checked as OpenAI checks it and reduced to what rules look
 * at. */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/digest.h"
#include "shared/base/text.h"

struct error;
struct json_object;

struct conversation {
    struct text model;
    struct text user;   /* the last user message; its text parts joined by line breaks */
    struct text *tools; /* results since then, in order of the calls they answer */
    size_t tools_count;
    size_t rounds;     /* assistant messages with tool calls since then */
    bool after_tool;   /* the last message is a tool result */
    size_t text_bytes; /* of all messages, for the estimate of tokens */
    char messages_sha256[SHA256_TEXT_SIZE];
    struct text *offered; /* names of tools that may be called now */
    size_t offered_count;
};

/* What is wrong, as OpenAI says it. */
struct conversation_problem {
    const char *param; /* static; NULL: none */
    char message[400];
};

enum { CONVERSATION_REFUSED = 1 };

/* Everything in *out is in the arena: the request may be freed. Returns 0, or CONVERSATION_REFUSED
 * with *problem. */
MUSTCHECK int conversation_read(struct json_object *request, struct arena *arena,
                                struct conversation *out, struct conversation_problem *problem);
