/* Names of models to targets.
 *
 * The registry only indexes the configuration: a few dozen names, so it is walked, not hashed.
 * What is known of models by name is in models.c, wire formats are in formats/formats.c, and
 * servers with habits of their own in `servers` below. */

#include "providers/models/registry.h"

#include <stdio.h>
#include <stdlib.h>

#include "providers/formats/formats.h"
#include "providers/models/models.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"

#define NAME_SHOWN_MAX 60 /* bytes of a name in an error */
#define EXAMPLE_MAX    40 /* of one that is said twice */

/* Servers whose habits are known, by host. OpenAI's newer models refuse max_tokens, and smaller
 * servers do not know max_completion_tokens. */
static const struct server {
    const char *host;
    const char *key_variable; /* it serves nobody without a key */
    bool max_tokens_is_new;
} servers[] = {
    {"api.openai.com", "OPENAI_API_KEY", true},
    {"api.groq.com", "GROQ_API_KEY", true},
    {"api.deepseek.com", "DEEPSEEK_API_KEY", false},
};

struct provider_registry {
    const struct config *config;
    const struct provider **formats; /* of each provider of the configuration */
};

/* Index of the provider of that name, or -1. */
static int find_provider(const struct config *config, struct text name)
{
    for (unsigned i = 0; i < config->providers_count; i++)
        if (text_is(name, config->providers[i].name))
            return (int)i;
    return -1;
}

static int unknown_kind(const struct config_provider *provider, struct error *err)
{
    char kinds[100];

    format_kinds(kinds, sizeof(kinds));
    return error_set(err, E_INVALID,
                     "provider '%.60s' has kind '%.60s', which is not known; known is: %s",
                     provider->name, provider->kind, kinds);
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

        registry->formats[i] = format_find(provider->kind ? provider->kind : "openai_chat");
        if (!registry->formats[i])
            return unknown_kind(provider, err);
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
    if (config->default_provider && config->default_provider[0] &&
        find_provider(config, text_of(config->default_provider)) < 0)
        return error_set(err, E_INVALID, "default_provider '%.60s' is no configured provider",
                         config->default_provider);
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

static const struct server *find_server(struct text host)
{
    for (size_t i = 0; i < ARRAY_LENGTH(servers); i++)
        if (text_is_nocase(host, servers[i].host))
            return &servers[i];
    return NULL;
}

/* A provider named openai is taken for OpenAI behind a gateway wherever it lives. */
static bool has_new_max_tokens(const struct config_provider *provider, struct text host)
{
    const struct server *server = find_server(host);

    return strcmp(provider->name, "openai") == 0 || (server && server->max_tokens_is_new) ||
           text_ends(host, ".openai.azure.com");
}

static bool has_key(const struct config_provider *provider)
{
    if (provider->api_key && provider->api_key[0])
        return true;
    for (size_t i = 0; i < provider->headers_count; i++)
        if (provider_header_key(provider->headers[i]).len > 0)
            return true;
    return false;
}

/* The variable of a key that the provider needs and has not; NULL: none is missed. */
static const char *missed_key(const struct config_provider *provider, struct text host)
{
    const struct server *server = find_server(host);

    return server && !has_key(provider) ? server->key_variable : NULL;
}

static void fill(const struct provider_registry *registry, int index, struct text model,
                 struct provider_target *out)
{
    const struct config_provider *provider = &registry->config->providers[index];
    const struct model_info *known = model_find(model);
    struct text host = url_host(provider->base_url);

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
        .key_variable = missed_key(provider, host),
        .context_tokens = known ? known->context_tokens : 0,
        .output_tokens_max = known ? known->output_tokens_max : 0,
        .habits = {.max_tokens_is_new = has_new_max_tokens(provider, host)},
    };
    memcpy(out->model, model.ptr, model.len);
    out->model[model.len] = '\0';
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
    bool whole = model.len <= EXAMPLE_MAX; /* a part of it would be a wrong example */
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
                     "model '%.*s' is not known; name it provider/model, for example %s/%.*s, or "
                     "configure a default_provider; providers here: %s",
                     shown, model.ptr, example, whole ? shown : 4, whole ? model.ptr : "NAME",
                     names);
}

static bool has_default(const struct config *config)
{
    return config->default_provider && config->default_provider[0];
}

/* The provider of a bare name: of a known model its own, else the default one. -1: none. */
static int find_bare(const struct config *config, struct text model)
{
    const struct model_info *known = model_find(model);
    int index = known ? find_provider(config, text_of(known->provider)) : -1;

    if (index < 0 && has_default(config) && !memchr(model.ptr, '/', model.len))
        index = find_provider(config, text_of(config->default_provider));
    return index;
}

int provider_registry_resolve(const struct provider_registry *registry, struct text model,
                              struct provider_target *out, struct error *err)
{
    const struct config *config = registry->config;
    struct text provider;
    struct text rest;
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
        if (found->context_tokens)
            out->context_tokens = found->context_tokens;
        return 0;
    }
    if (text_cut(model, '/', &provider, &rest) && rest.len) {
        index = find_provider(config, provider);
        if (index >= 0) {
            fill(registry, index, rest, out);
            return 0;
        }
    }
    index = find_bare(config, model);
    if (index < 0)
        return not_found(registry, model, err);
    fill(registry, index, model, out);
    return 0;
}
