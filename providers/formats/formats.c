/* The wire formats there are. */

#include "providers/formats/formats.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct provider *const formats[] = {
    &provider_openai_chat,
    &provider_openai_responses,
    &provider_anthropic,
    &provider_gemini,
    &provider_ollama,
    &provider_builtin,
};
/* clang-format on */

const struct provider *format_find(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++)
        if (strcmp(formats[i]->kind, kind) == 0)
            return formats[i];
    return NULL;
}

void format_kinds(char *out, size_t size)
{
    size_t used = 0;

    ASSERT(size > 0);
    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LENGTH(formats) && used < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "", formats[i]->kind);
}
