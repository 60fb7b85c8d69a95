/* The table of models. Add one as a row; then run unit_providers_core with WRITE_DOCS=1. */

#include "providers/models.h"

#include <inttypes.h>

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

void models_write_document(struct buf *out)
{
    buf_add_string(
        out,
        "# Models that are known by name\n\n"
        "<!-- Made from providers/models.c by unit_providers_core: WRITE_DOCS=1 writes it anew. "
        "-->\n"
        "\n"
        "An agent names its model in one of three ways:\n\n"
        "- by a name of the configuration's `models`\n"
        "- as `provider/model`, such as `groq/openai/gpt-oss-120b`: whatever that provider serves\n"
        "- by one of the names below, or a variant of it (`gpt-4o` covers `gpt-4o-mini` and\n"
        "  `gpt-4o-2024-08-06`)\n\n"
        "Any other bare name goes to `default_provider` (`PENSTOCK_DEFAULT_PROVIDER`), if that is\n"
        "set, and is refused otherwise.\n\n"
        "| Name | Provider | Context, tokens | Longest answer, tokens |\n|---|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_LENGTH(models); i++) {
        buf_printf(out, "| `%s` | %s | %" PRId64 " | ", models[i].name, models[i].provider,
                   models[i].context_tokens);
        if (models[i].output_tokens_max)
            buf_printf(out, "%" PRId64 " |\n", models[i].output_tokens_max);
        else
            buf_add_string(out, "- |\n");
    }
    buf_add_string(
        out, "\nA run's `max_completion_tokens` is sent as no more than the longest answer of "
             "its model.\n");
}
