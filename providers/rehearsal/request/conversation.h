#pragma once
/* A request of a model, whatever its dialect, reduced to what rules look at and replies repeat.
 * All that it points to is in the arena of its request. */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/digest.h"
#include "shared/base/text.h"

struct conversation {
    struct text model;
    struct text system; /* instructions and system messages, joined by line breaks; empty: none */
    struct text user;   /* the last user message; its text parts joined by line breaks */
    struct text *texts; /* of all messages, system ones too, in order; where they were asked for */
    size_t texts_count;
    struct text *tools; /* results since the user's message, in order of the calls they answer */
    size_t tools_count;
    size_t rounds;     /* assistant messages with tool calls since then */
    bool after_tool;   /* the last message is a tool result */
    size_t text_bytes; /* of all messages, for the estimate of tokens */
    char messages_sha256[SHA256_TEXT_SIZE];
    struct text *offered; /* names of tools that may be called now */
    size_t offered_count;

    bool stream;
    bool stream_usage;      /* OpenAI's stream_options.include_usage */
    bool without_reasoning; /* the request turned it off */
    bool truncates;         /* Ollama: what is too long is cut and not refused */
    bool with_thoughts;     /* Gemini: reasoning is to be shown */
    bool with_sealed;       /* Responses: reasoning is wanted encrypted */
    bool forgets_reasoning; /* Responses: it is neither that nor stored, and can't come back */
    struct text items;      /* Responses: where the response is to be stored, the items it answers,
                             * earlier ones first, a comma behind each; else TEXT_NONE */
    struct text echo;       /* Responses: members that the reply repeats, as JSON, each with a comma
                             * behind it */
};

/* What is to be embedded. */
struct embedding_request {
    struct text *texts;
    size_t count;
    size_t dimensions;
    bool base64; /* else numbers */
    bool single; /* Gemini: the reply has one vector and no list */
};
