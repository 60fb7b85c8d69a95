/* Names of models to targets.
 *
 * The registry only indexes the configuration: a few dozen names, so it is walked, not hashed.
 * What is known of models by name is in models.yaml, wire formats are in formats/formats.c, and
 * servers with habits of their own in servers.c. */

#include "providers/models/registry.h"

#include <stdio.h>
#include <stdlib.h>

#include "providers/formats/formats.h"
#include "providers/models/models.h"
#include "providers/models/servers.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"

#define NAME_SHOWN_MAX 60 /* bytes of a name in an error */
#define EXAMPLE_MAX    40 /* of one that is said twice */

/* What is made of each provider of the configuration. */
struct served {
    const struct provider *format;
    struct provider_key keys[CONFIG_KEYS_MAX];
    size_t keys_count;
};

struct provider_registry {
    const struct config *config;
    struct config *owned; /* that one, or NULL */
    size_t holds;
    struct served *served;
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

/* One that is there twice is one. */
static void add_key(struct served *served, const char *secret)
{
    struct provider_key key = {.secret = secret};
    char digest[SHA256_TEXT_SIZE];

    if (!secret || !secret[0] || served->keys_count == CONFIG_KEYS_MAX)
        return;
    sha256_hex(text_of(secret), digest);
    (void)snprintf(key.id, sizeof(key.id), "%.12s", digest);
    for (size_t i = 0; i < served->keys_count; i++)
        if (strcmp(served->keys[i].id, key.id) == 0)
            return;
    served->keys[served->keys_count++] = key;
}

static void add_keys(struct served *served, const struct config_provider *provider)
{
    add_key(served, provider->api_key);
    for (unsigned i = 0; i < provider->api_keys_count; i++)
        add_key(served, provider->api_keys[i]);
}

int provider_registry_new(const struct config *config, struct provider_registry **out,
                          struct error *err)
{
    CLEANUP(provider_registry_freep) struct provider_registry *registry = NULL;

    registry = xcalloc(1, sizeof(*registry));
    registry->config = config;
    registry->holds = 1;
    registry->served = xcalloc(config->providers_count + 1, sizeof(*registry->served));
    for (unsigned i = 0; i < config->providers_count; i++) {
        const struct config_provider *provider = &config->providers[i];

        registry->served[i].format = format_find(provider->kind ? provider->kind : "openai_chat");
        if (!registry->served[i].format)
            return unknown_kind(provider, err);
        if (provider->native_state == CONFIG_ON && !registry->served[i].format->keeps_state)
            return error_set(err, E_INVALID,
                             "provider '%.60s' has native_state: true, but its kind '%.60s' has no "
                             "word for that; kind openai_responses has one",
                             provider->name, registry->served[i].format->kind);
        add_keys(&registry->served[i], provider);
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
    if (!registry || --registry->holds > 0)
        return;
    config_free(registry->owned);
    free(registry->served);
    free(registry);
}

void provider_registry_freep(struct provider_registry **registry)
{
    provider_registry_free(*registry);
    *registry = NULL;
}

struct provider_registry *provider_registry_hold(struct provider_registry *registry)
{
    registry->holds++;
    return registry;
}

bool provider_registry_follow(struct provider_registry **held, struct provider_registry *current)
{
    if (*held == current)
        return false;
    provider_registry_free(*held);
    *held = provider_registry_hold(current);
    return true;
}

void provider_registry_own(struct provider_registry *registry, struct config *config)
{
    ASSERT(registry->config == config && !registry->owned);
    registry->owned = config;
}

const struct config *provider_registry_config(const struct provider_registry *registry)
{
    return registry->config;
}

const char *registry_embedding_model(const struct config *config)
{
    const char *said = config->memory.embedding_model;

    return said && said[0] ? said : REGISTRY_EMBEDDING_MODEL;
}

static bool has_key(const struct provider_registry *registry, int index)
{
    const struct config_provider *provider = &registry->config->providers[index];

    if (registry->served[index].keys_count > 0)
        return true;
    for (size_t i = 0; i < provider->headers_count; i++)
        if (provider_header_key(provider->headers[i]).len > 0)
            return true;
    return false;
}

/* What is known of a model where it is served. Who else serves a model that is listed asks other
 * prices; its limits are those of an account at the provider itself. */
static struct model_info info_of(const struct config_provider *provider, struct text model,
                                 bool is_at_home)
{
    bool same = false;
    const struct model_info *found = model_find(model, &same);
    struct model_info info = found ? *found : model_unknown;

    if (found && (!same || strcmp(found->provider, provider->name) != 0))
        info.prices = model_unknown.prices;
    if (found && (!same || strcmp(found->provider, provider->name) != 0 || !is_at_home))
        info.limits = model_unknown.limits;
    return info;
}

/* The entry of the configuration for a model of a provider, whatever an agent calls it. */
static const struct config_model *find_entry(const struct config *config, const char *provider,
                                             struct text model)
{
    for (unsigned i = 0; i < config->models_count; i++)
        if (strcmp(config->models[i].provider, provider) == 0 &&
            text_is(model, config->models[i].model))
            return &config->models[i];
    return NULL;
}

static enum config_switch streams(const struct config_provider *provider,
                                  const struct config_model *entry)
{
    return entry && entry->stream != CONFIG_UNSET ? entry->stream : provider->stream;
}

static void fill(const struct provider_registry *registry, int index, struct text model,
                 const struct config_model *entry, struct provider_target *out)
{
    const struct config_provider *provider = &registry->config->providers[index];
    const struct server_info *server = server_find(provider->base_url);
    struct model_info info = info_of(provider, model, server != NULL);
    int64_t context_max = registry->served[index].format->context_unasked_max;

    if (context_max > 0 && info.context_tokens > context_max)
        info.context_tokens = context_max;
    if (!entry)
        entry = find_entry(registry->config, provider->name, model);
    if (entry)
        model_info_apply(entry, &info);
    *out = (struct provider_target){
        .provider = registry->served[index].format,
        .provider_name = provider->name,
        .base_url = provider->base_url,
        .api_key = "",
        .keys = registry->served[index].keys,
        .keys_count = registry->served[index].keys_count,
        .concurrent_calls = provider->concurrent_calls,
        .headers = provider->headers,
        .headers_count = provider->headers_count,
        .connect_timeout_ms = provider->connect_timeout_ms,
        .first_byte_timeout_ms = provider->first_byte_timeout_ms,
        .idle_timeout_ms = provider->idle_timeout_ms,
        .total_timeout_ms = provider->total_timeout_ms,
        .key_variable = server && !has_key(registry, index) ? server->key_variable : NULL,
        .context_tokens = info.context_tokens,
        .output_tokens_max = info.output_tokens_max,
        .abilities = info.abilities,
        .limits = info.limits,
        .prices = info.prices,
        .stream = streams(provider, entry) == CONFIG_ON,
        .may_stream = streams(provider, entry) != CONFIG_OFF,
        .native_state = provider->native_state == CONFIG_ON,
        .habits = server_habits(provider->name, provider->base_url),
    };
    provider_target_use(out, 0);
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
    const struct model_info *known = model_find(model, NULL);
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
        fill(registry, index, text_of(found->model), found, out);
        return 0;
    }
    if (text_cut(model, '/', &provider, &rest) && rest.len) {
        index = find_provider(config, provider);
        if (index >= 0) {
            fill(registry, index, rest, NULL, out);
            return 0;
        }
    }
    index = find_bare(config, model);
    if (index < 0)
        return not_found(registry, model, err);
    fill(registry, index, model, NULL, out);
    return 0;
}

static bool is_entry(const struct config *config, const char *name)
{
    for (unsigned i = 0; i < config->models_count; i++)
        if (strcmp(config->models[i].name, name) == 0)
            return true;
    return false;
}

/* By its name alone where that means the same, else with the provider's in front. */
static void list_known(const struct provider_registry *registry, const struct model_info *model,
                       provider_registry_fn fn, void *arg)
{
    const struct config *config = registry->config;
    int index = find_provider(config, text_of(model->provider));
    struct provider_target target;
    char name[PROVIDER_MODEL_SIZE];

    if (index < 0 || !has_key(registry, index) || is_entry(config, model->name))
        return;
    snprintf(name, sizeof(name), "%s%s%s", strchr(model->name, '/') ? model->provider : "",
             strchr(model->name, '/') ? "/" : "", model->name);
    if (provider_registry_resolve(registry, text_of(name), &target, NULL) == 0)
        fn(arg, text_of(name), &target);
}

void provider_registry_list(const struct provider_registry *registry, provider_registry_fn fn,
                            void *arg)
{
    const struct config *config = registry->config;
    const struct model_info *known;
    size_t count = models_all(&known);
    struct provider_target target;

    for (unsigned i = 0; i < config->models_count; i++)
        if (provider_registry_resolve(registry, text_of(config->models[i].name), &target, NULL) ==
            0)
            fn(arg, text_of(config->models[i].name), &target);
    for (size_t i = 0; i < count; i++)
        list_known(registry, &known[i], fn, arg);
}
