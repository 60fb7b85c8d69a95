#pragma once
/* The table of wire formats. A new one is a family of files here (encode, decode, …) with a `struct
 * provider`, and a row in formats.c. */

#include "providers/provider.h"

extern const struct provider provider_openai_chat;
extern const struct provider provider_openai_responses;
extern const struct provider provider_anthropic;
extern const struct provider provider_gemini;
extern const struct provider provider_ollama;
extern const struct provider provider_builtin;

/* The format of that kind, or NULL. */
const struct provider *format_find(const char *kind);

/* All kinds into `out` of `size` bytes, for messages: "openai_chat, …". */
void format_kinds(char *out, size_t size);
