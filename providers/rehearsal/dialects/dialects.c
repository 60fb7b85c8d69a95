/* The table of dialects: the first whose path it is takes a request. Another one is a row here and
 * a file. */

#include "providers/rehearsal/dialects/dialect.h"

#include <stdio.h>

#include "shared/base/digest.h"

static const struct dialect *const dialects[] = {
    &dialect_openai_chat, &dialect_openai_responses, &dialect_openai_embeddings,
    &dialect_groq,        &dialect_mistral,          &dialect_anthropic,
    &dialect_gemini,      &dialect_ollama,
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

void dialect_call_id(const struct dialect *dialect, const struct answer *answer, size_t number,
                     const char *mark, char out[DIALECT_CALL_ID_SIZE])
{
    char digest[SHA256_TEXT_SIZE];

    snprintf(out, DIALECT_CALL_ID_SIZE, "%s%s%02zu%s%s", dialect->call_prefix, answer->id, number,
             mark[0] ? "r" : "", mark);
    if (!dialect->short_call_ids)
        return;
    sha256_hex(text_of(out), digest);
    snprintf(out, DIALECT_CALL_ID_SIZE, "%.*s", DIALECT_SHORT_ID_CHARS, digest);
}
