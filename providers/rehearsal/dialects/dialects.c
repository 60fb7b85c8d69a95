/* The table of dialects: the first whose path it is takes a request. Another one is a row here and
 * a file. */

#include "providers/rehearsal/dialects/dialect.h"

static const struct dialect *const dialects[] = {
    &dialect_openai_chat, &dialect_openai_responses, &dialect_openai_embeddings,
    &dialect_groq,        &dialect_anthropic,        &dialect_gemini,
    &dialect_ollama,
};

bool dialect_route(struct text path, struct text query, struct route *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(dialects); i++) {
        *out = (struct route){.dialect = dialects[i], .framing = EVENTS_SSE};
        if (dialects[i]->route(path, query, out))
            return true;
    }
    *out = (struct route){.dialect = &dialect_openai_chat};
    return false;
}
