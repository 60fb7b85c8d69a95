/* Names of models to targets.
 *
 * The registry only indexes the configuration: a few dozen names, so it is walked, not hashed. The
 * table of well-known names lets an agent that was written for OpenAI's API ("gpt-4o") work as it
 * is; each name covers its dated variants ("gpt-4o-2024-08-06"). Add a well-known model there, a
 * wire format to `formats`, a server with other habits to has_new_max_tokens.
 */

#include "providers/registry.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"

#define NAME_SHOWN_MAX 60 /* bytes of a name in an error */

static const struct provider *const formats[] = {&provider_openai_chat};

static const struct {
    const char *name;
    const char *provider;
    int64_t context_tokens;
} well_known[] = {
    {"gpt-5", "openai", 400000},
    {"gpt-4.1", "openai", 1047576},
    {"gpt-4.5-preview", "openai", 128000},
    {"gpt-4o", "openai", 128000},
    {"chatgpt-4o", "openai", 128000},
    {"gpt-4-turbo", "openai", 128000},
    {"gpt-4-1106-preview", "openai", 128000},
    {"gpt-4-0125-preview", "openai", 128000},
    {"gpt-4-32k", "openai", 32768},
    {"gpt-4", "openai", 8192},
    {"gpt-3.5-turbo", "openai", 16385},
    {"o1-mini", "openai", 128000},
    {"o1", "openai", 200000},
    {"o3", "openai", 200000},
    {"o4-mini", "openai", 200000},
    {"deepseek-chat", "deepseek", 128000},
    {"deepseek-reasoner", "deepseek", 128000},
    {"llama-3.3-70b-versatile", "groq", 131072},
    {"llama-3.1-8b-instant", "groq", 131072},
    {"llama3-70b-8192", "groq", 8192},
    {"llama3-8b-8192", "groq", 8192},
    {"gemma2-9b-it", "groq", 8192},
};

struct provider_registry {
    const struct config *config;
    const struct provider **formats; /* of each provider of the configuration */
};

static const struct provider *find_format(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++)
        if (strcmp(formats[i]->kind, kind) == 0)
            return formats[i];
    return NULL;
}

/* Index of the provider of that name, or -1. */
static int find_provider(const struct config *config, struct text name)
{
    for (unsigned i = 0; i < config->providers_count; i++)
        if (text_is(name, config->providers[i].name))
            return (int)i;
    return -1;
}

int provider_registry_new(const struct config *config, struct provider_registry **out,
                          struct error *err)
{
    CLEANUP(provider_registry_freep) struct provider_registry *registry = NULL;

    registry = xcalloc(1, sizeof(*registry));
    registry->config = config;
    registry->formats = xcalloc(config->providers_count + 1, sizeof(struct provider *));
    for (unsigned i = 0; i < config->providers_count; i++) {
        const struct config_provider *provider = &config->providers[i];

        registry->formats[i] = find_format(provider->kind ? provider->kind : "openai_chat");
        if (!registry->formats[i])
            return error_set(err, E_INVALID,
                             "provider '%.60s' has kind '%.60s', which is not known; known is: %s",
                             provider->name, provider->kind, provider_openai_chat.kind);
    }
    for (unsigned i = 0; i < config->models_count; i++) {
        const struct config_model *model = &config->models[i];

        if (find_provider(config, text_of(model->provider)) < 0)
            return error_set(err, E_INVALID,
                             "model '%.60s' names provider '%.60s', which is not configured",
                             model->name, model->provider);
        if (strlen(model->model) >= PROVIDER_MODEL_SIZE)
            return error_set(err, E_INVALID, "the provider's name for model '%.60s' is too long",
                             model->name);
    }
    *out = registry;
    registry = NULL;
    return 0;
}

void provider_registry_free(struct provider_registry *registry)
{
    if (!registry)
        return;
    free(registry->formats);
    free(registry);
}

void provider_registry_freep(struct provider_registry **registry)
{
    provider_registry_free(*registry);
    *registry = NULL;
}

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

/* OpenAI's newer models refuse max_tokens, and smaller servers do not know max_completion_tokens. A
 * provider named openai is taken for OpenAI behind a gateway wherever it lives. */
static bool has_new_max_tokens(const struct config_provider *provider)
{
    struct text host = url_host(provider->base_url);

    return strcmp(provider->name, "openai") == 0 || text_is_nocase(host, "api.openai.com") ||
           text_is_nocase(host, "api.groq.com") || text_ends(host, ".openai.azure.com");
}

static void fill(const struct provider_registry *registry, int index, struct text model,
                 struct provider_target *out)
{
    const struct config_provider *provider = &registry->config->providers[index];

    *out = (struct provider_target){
        .provider = registry->formats[index],
        .provider_name = provider->name,
        .base_url = provider->base_url,
        .api_key = provider->api_key ? provider->api_key : "",
        .headers = provider->headers,
        .headers_count = provider->headers_count,
        .connect_timeout_ms = provider->connect_timeout_ms,
        .first_byte_timeout_ms = provider->first_byte_timeout_ms,
        .total_timeout_ms = provider->total_timeout_ms,
        .max_tokens_is_new = has_new_max_tokens(provider),
    };
    memcpy(out->model, model.ptr, model.len);
    out->model[model.len] = '\0';
}

/* The entry for the name itself, or for the name before a "-suffix"; the longest wins. -1: none. */
static int find_well_known(struct text model)
{
    size_t longest = 0;
    int found = -1;

    for (size_t i = 0; i < ARRAY_LENGTH(well_known); i++) {
        size_t len = strlen(well_known[i].name);

        if (len <= longest || !text_starts(model, well_known[i].name) ||
            (model.len > len && model.ptr[len] != '-'))
            continue;
        longest = len;
        found = (int)i;
    }
    return found;
}

static int64_t context_of(struct text model)
{
    int known = find_well_known(model);

    return known >= 0 ? well_known[known].context_tokens : 0;
}

static bool is_sane(struct text model)
{
    for (size_t i = 0; i < model.len; i++)
        if ((unsigned char)model.ptr[i] <= 0x20 || model.ptr[i] == 0x7F)
            return false;
    return model.len > 0 && model.len < PROVIDER_MODEL_SIZE && text_is_utf8(model);
}

static int not_found(const struct provider_registry *registry, struct text model, struct error *err)
{
    const struct config *config = registry->config;
    char names[100] = "";
    size_t used = 0;
    int shown = (int)(model.len < NAME_SHOWN_MAX ? model.len : NAME_SHOWN_MAX);
    const char *example = config->providers_count ? config->providers[0].name : "openai";

    for (unsigned i = 0; i < config->providers_count; i++) {
        const char *name = config->providers[i].name;
        size_t len = strlen(name) + (used ? 2 : 0);

        if (used + len + sizeof(", ...") > sizeof(names)) {
            snprintf(names + used, sizeof(names) - used, ", ...");
            break;
        }
        used +=
            (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "", name);
    }
    if (memchr(model.ptr, '/', model.len))
        return error_set(err, E_NOT_FOUND,
                         "model '%.*s' is not known: there is no such provider; providers here: %s",
                         shown, model.ptr, names);
    return error_set(err, E_NOT_FOUND,
                     "model '%.*s' is not known; name it provider/model, for example %s/%.*s; "
                     "providers here: %s",
                     shown, model.ptr, example, shown > 24 ? 24 : shown, model.ptr, names);
}

int provider_registry_resolve(const struct provider_registry *registry, struct text model,
                              struct provider_target *out, struct error *err)
{
    const struct config *config = registry->config;
    struct text provider;
    struct text rest;
    int known;
    int index;

    if (!is_sane(model))
        return error_set(err, E_NOT_FOUND,
                         "a model is named by 1 to %d characters without blanks, such as "
                         "openai/gpt-4o-mini",
                         PROVIDER_MODEL_SIZE - 1);
    for (unsigned i = 0; i < config->models_count; i++) {
        const struct config_model *found = &config->models[i];

        if (!text_is(model, found->name))
            continue;
        index = find_provider(config, text_of(found->provider));
        ASSERT(index >= 0);
        fill(registry, index, text_of(found->model), out);
        out->context_tokens =
            found->context_tokens ? found->context_tokens : context_of(text_of(found->model));
        return 0;
    }
    if (text_cut(model, '/', &provider, &rest) && rest.len) {
        index = find_provider(config, provider);
        if (index >= 0) {
            fill(registry, index, rest, out);
            out->context_tokens = context_of(rest);
            return 0;
        }
    }
    known = find_well_known(model);
    index = known >= 0 ? find_provider(config, text_of(well_known[known].provider)) : -1;
    if (index < 0)
        return not_found(registry, model, err);
    fill(registry, index, model, out);
    out->context_tokens = well_known[known].context_tokens;
    return 0;
}
