/* The table of servers.
 *
 * OpenAI's newer models refuse max_tokens, and smaller servers do not know max_completion_tokens.
 * Mistral's refuses members that it does not know, tells the usage unasked, and takes no ids of
 * calls but such as it makes itself, and no user right after the results of tools (validator.py of
 * mistral-common). OpenRouter's tells what each call cost, which depends on whom it asked:
 * https://openrouter.ai/docs/use-cases/usage-accounting. It and OpenAI's have "verbosity". Groq's tells the usage unasked, too
 * ("x_groq"): the types of groq-sdk 1.6.0 have no member that asks for it, and fewer efforts than
 * OpenAI has.
 *
 * Templates of open models often refuse a message of the system that is not the first one: where a
 * server is not known to take it, the user says it.
 *
 * Where an address is not known, a provider's name may still tell what is behind it: a gateway, or
 * the rehearsal. */

#include "providers/models/servers.h"

/* clang-format off */
static const struct server_info servers[] = {
    {"api.openai.com",    "openai",  "OPENAI_API_KEY",
     {.max_tokens_is_new = true, .system_anywhere = true, .takes_verbosity = true}},
    {".openai.azure.com", NULL,      NULL,
     {.max_tokens_is_new = true, .system_anywhere = true, .takes_verbosity = true}},
    {"api.anthropic.com", NULL,      "ANTHROPIC_API_KEY",  {.max_tokens_is_new = false}},
    {"api.groq.com",      "groq",    "GROQ_API_KEY",
     {.max_tokens_is_new = true, .usage_is_not_asked = true, .efforts_are_few = true}},
    {"api.deepseek.com",  NULL,      "DEEPSEEK_API_KEY",   {.max_tokens_is_new = false}},
    {"api.mistral.ai",    "mistral", "MISTRAL_API_KEY",
     {.usage_is_not_asked = true, .short_call_ids = true, .answers_end_results = true}},
    {"openrouter.ai",  "openrouter", "OPENROUTER_API_KEY",
     {.tells_cost = true, .takes_verbosity = true}},
    {"generativelanguage.googleapis.com", NULL, "GEMINI_API_KEY", {.max_tokens_is_new = false}},
};
/* clang-format on */

/* Host of a url, without user, port and path. */
static struct text url_host(const char *url)
{
    const char *start = strstr(url, "://");
    struct text host;

    start = start ? start + 3 : url;
    host = (struct text){start, strcspn(start, "/?#")};
    for (size_t i = 0; i < host.len; i++)
        if (host.ptr[i] == '@')
            return (struct text){host.ptr + i + 1, strcspn(host.ptr + i + 1, ":/?#")};
    host.len = strcspn(start, ":/?#");
    return host;
}

const struct server_info *server_find(const char *url)
{
    struct text host = url_host(url);

    for (size_t i = 0; i < ARRAY_LENGTH(servers); i++)
        if (servers[i].host[0] == '.' ? text_ends(host, servers[i].host)
                                      : text_is_nocase(host, servers[i].host))
            return &servers[i];
    return NULL;
}

struct provider_habits server_habits(const char *provider_name, const char *url)
{
    const struct server_info *server = server_find(url);

    for (size_t i = 0; !server && i < ARRAY_LENGTH(servers); i++)
        if (servers[i].provider_name && strcmp(servers[i].provider_name, provider_name) == 0)
            server = &servers[i];
    return server ? server->habits : (struct provider_habits){.max_tokens_is_new = false};
}
