/* The table of models. Add one as a row; then run unit_providers_core with WRITE_DOCS=1. */

#include "providers/models/models.h"

/* clang-format off */
static const struct model_info models[] = {
    {"gpt-5",                   "openai",    400000, 128000},
    {"gpt-4.1",                 "openai",   1047576,  32768},
    {"gpt-4.5-preview",         "openai",    128000,  16384},
    {"gpt-4o",                  "openai",    128000,  16384},
    {"gpt-4o-2024-05-13",       "openai",    128000,   4096},
    {"chatgpt-4o",              "openai",    128000,  16384},
    {"gpt-4-turbo",             "openai",    128000,   4096},
    {"gpt-4-1106-preview",      "openai",    128000,   4096},
    {"gpt-4-0125-preview",      "openai",    128000,   4096},
    {"gpt-4-32k",               "openai",     32768,      0},
    {"gpt-4",                   "openai",      8192,      0},
    {"gpt-3.5-turbo",           "openai",     16385,   4096},
    {"o1-mini",                 "openai",    128000,  65536},
    {"o1",                      "openai",    200000, 100000},
    {"o3",                      "openai",    200000, 100000},
    {"o4-mini",                 "openai",    200000, 100000},
    {"deepseek-chat",           "deepseek",  128000,      0},
    {"deepseek-reasoner",       "deepseek",  128000,      0},
    {"llama-3.3-70b-versatile", "groq",      131072,  32768},
    {"llama-3.1-8b-instant",    "groq",      131072,      0},
    {"llama3-70b-8192",         "groq",        8192,      0},
    {"llama3-8b-8192",          "groq",        8192,      0},
    {"gemma2-9b-it",            "groq",        8192,      0},
};
/* clang-format on */

const struct model_info *model_find(struct text name)
{
    const struct model_info *found = NULL;
    size_t longest = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(models); i++) {
        size_t len = strlen(models[i].name);

        if (len <= longest || !text_starts(name, models[i].name) ||
            (name.len > len && name.ptr[len] != '-'))
            continue;
        longest = len;
        found = &models[i];
    }
    return found;
}

size_t models_all(const struct model_info **out)
{
    *out = models;
    return ARRAY_LENGTH(models);
}
