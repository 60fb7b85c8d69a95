#include "scheduler/cli/providers/provider_facts.h"

#include <stdio.h>
#include <string.h>

#include "providers/models/models.h"
#include "providers/models/registry.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"

static bool has_limits(const struct model_limits *limits)
{
    return limits->requests_per_minute > 0 || limits->tokens_per_minute > 0 ||
           limits->input_tokens_per_minute > 0 || limits->output_tokens_per_minute > 0 ||
           limits->requests_per_day > 0 || limits->tokens_per_day > 0 ||
           limits->concurrent_calls > 0;
}

static bool is_in_headers(const struct provider_target *target)
{
    for (size_t i = 0; i < target->headers_count; i++)
        if (provider_header_key(target->headers[i]).len > 0)
            return true;
    return false;
}

static bool is_entry(const struct config *config, const char *provider, const char *model)
{
    for (unsigned i = 0; i < config->models_count; i++)
        if (strcmp(config->models[i].provider, provider) == 0 &&
            strcmp(config->models[i].model, model) == 0)
            return true;
    return false;
}

static void count(const struct provider_registry *registry, const char *provider, const char *model,
                  struct provider_facts *facts)
{
    CLEANUP(freep) char *name = xasprintf("%s/%s", provider, model);
    struct provider_target target;

    if (provider_registry_resolve(registry, text_of(name), &target, NULL) < 0)
        return;
    facts->models++;
    facts->limited += has_limits(&target.limits);
}

/* One that is both in the configuration and known counts once. */
static void count_models(const struct provider_registry *registry, const char *provider,
                         struct provider_facts *facts)
{
    const struct config *config = provider_registry_config(registry);
    const struct model_info *known;
    size_t known_count = models_all(&known);

    for (unsigned i = 0; i < config->models_count; i++)
        if (strcmp(config->models[i].provider, provider) == 0)
            count(registry, provider, config->models[i].model, facts);
    for (size_t i = 0; i < known_count; i++)
        if (strcmp(known[i].provider, provider) == 0 && !is_entry(config, provider, known[i].name))
            count(registry, provider, known[i].name, facts);
}

struct provider_facts provider_facts_of(const struct provider_registry *registry, unsigned index)
{
    const struct config_provider *provider = &provider_registry_config(registry)->providers[index];
    CLEANUP(freep) char *name = xasprintf("%s/x", provider->name);
    struct provider_facts facts = {.kind = provider->kind, .in_use = provider->in_use};

    ASSERT(provider_registry_resolve(registry, text_of(name), &facts.target, NULL) == 0);
    facts.key_in_headers = is_in_headers(&facts.target);
    count_models(registry, provider->name, &facts);
    return facts;
}

bool provider_facts_misses_key(const struct provider_facts *facts)
{
    return facts->in_use && facts->target.key_variable;
}

void provider_facts_key(const struct provider_facts *facts, char out[PROVIDER_KEY_WORDS_SIZE])
{
    const struct provider_target *target = &facts->target;

    if (target->keys_count > 1)
        (void)snprintf(out, PROVIDER_KEY_WORDS_SIZE, "%zu keys", target->keys_count);
    else if (target->keys_count == 1)
        (void)snprintf(out, PROVIDER_KEY_WORDS_SIZE, "set");
    else if (facts->key_in_headers)
        (void)snprintf(out, PROVIDER_KEY_WORDS_SIZE, "in headers");
    else if (target->key_variable)
        (void)snprintf(out, PROVIDER_KEY_WORDS_SIZE, "%s is missing", target->key_variable);
    else
        (void)snprintf(out, PROVIDER_KEY_WORDS_SIZE, "none");
}

void provider_facts_address(const struct provider_facts *facts, struct buf *out)
{
    const char *url = facts->target.base_url;
    const char *scheme_end = strstr(url, "://");
    size_t host = scheme_end ? (size_t)(scheme_end + 3 - url) : 0;
    const char *at = memrchr(url + host, '@', strcspn(url + host, "/"));

    buf_printf(out, "%.*s%s%s", (int)host, url, at ? "***" : "", at ? at : url + host);
}
