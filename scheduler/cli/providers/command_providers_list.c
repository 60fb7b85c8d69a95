/* `penstock providers list`. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/models/models.h"
#include "providers/models/registry.h"
#include "scheduler/cli/command.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/json/json.h"

#define KEY_WORDS_SIZE 80

/* How many models of a provider are configured or known by name. */
static size_t count_models(const struct config *config, const char *provider)
{
    const struct model_info *all;
    size_t known = models_all(&all);
    size_t count = 0;

    for (unsigned i = 0; i < config->models_count; i++)
        count += strcmp(config->models[i].provider, provider) == 0;
    for (size_t i = 0; i < known; i++)
        count += strcmp(all[i].provider, provider) == 0;
    return count;
}

static bool is_in_headers(const struct provider_target *target)
{
    for (size_t i = 0; i < target->headers_count; i++)
        if (provider_header_key(target->headers[i]).len > 0)
            return true;
    return false;
}

static void tell_key(const struct provider_target *target, char out[KEY_WORDS_SIZE])
{
    if (target->keys_count > 1)
        (void)snprintf(out, KEY_WORDS_SIZE, "%zu keys", target->keys_count);
    else if (target->keys_count == 1)
        (void)snprintf(out, KEY_WORDS_SIZE, "set");
    else if (is_in_headers(target))
        (void)snprintf(out, KEY_WORDS_SIZE, "in headers");
    else if (target->key_variable)
        (void)snprintf(out, KEY_WORDS_SIZE, "%s is missing", target->key_variable);
    else
        (void)snprintf(out, KEY_WORDS_SIZE, "none");
}

static void print_json(const struct config *config, const struct config_provider *provider,
                       const struct provider_target *target, const char *key)
{
    CLEANUP(json_freep) struct json_object *out = json_object_new_object();
    size_t models = count_models(config, provider->name);

    json_object_object_add(out, "name", json_object_new_string(provider->name));
    json_object_object_add(out, "kind", json_object_new_string(provider->kind));
    json_object_object_add(out, "base_url", json_object_new_string(provider->base_url));
    json_object_object_add(out, "key", json_object_new_string(key));
    json_object_object_add(out, "models", json_object_new_int64((int64_t)models));
    json_object_object_add(out, "stream", json_object_new_boolean(target->stream));
    json_object_object_add(
        out, "concurrent_calls",
        target->concurrent_calls > 0 ? json_object_new_int64(target->concurrent_calls) : NULL);
    printf("%.*s\n", TEXT_ARGS(json_text(out)));
}

static void print_row(const struct config *config, const struct config_provider *provider,
                      const struct provider_target *target, const char *key)
{
    char calls[24] = "-";

    if (target->concurrent_calls > 0)
        (void)snprintf(calls, sizeof(calls), "%lld", (long long)target->concurrent_calls);
    printf("%-16s  %-16s  %-28s  %6zu  %-6s  %8s  ", provider->name, provider->kind, key,
           count_models(config, provider->name), target->stream ? "yes" : "no", calls);
    terminal_print_line(stdout, text_of(provider->base_url), 100);
    printf("\n");
}

static int list(const struct config *config, bool json)
{
    CLEANUP(provider_registry_freep) struct provider_registry *registry = NULL;
    struct error err;

    if (provider_registry_new(config, &registry, &err) < 0) {
        terminal_complain("%s", err.text);
        return COMMAND_USAGE;
    }
    if (!json)
        printf("%-16s  %-16s  %-28s  %6s  %-6s  %8s  %s\n", "PROVIDER", "KIND", "KEY", "MODELS",
               "STREAM", "AT ONCE", "ADDRESS");
    for (unsigned i = 0; i < config->providers_count; i++) {
        const struct config_provider *provider = &config->providers[i];
        CLEANUP(freep) char *name = xasprintf("%s/x", provider->name);
        struct provider_target target;
        char key[KEY_WORDS_SIZE];

        if (provider_registry_resolve(registry, text_of(name), &target, &err) < 0)
            return command_fail(&err);
        tell_key(&target, key);
        if (json)
            print_json(config, provider, &target, key);
        else
            print_row(config, provider, &target, key);
    }
    return COMMAND_OK;
}

static int run(const struct arguments *args)
{
    struct config *config = NULL;
    int result = command_load_config(arguments_get(args, "config"), &config);

    if (result == COMMAND_OK)
        result = list(config, arguments_has(args, "json"));
    config_free(config);
    return result;
}

static const struct option_spec options[] = {
    {"config", 'c', "FILE", "the configuration file (default: PENSTOCK_CONFIG)", 0, 0},
    {"json", 0, NULL, "print one JSON object a provider", 0, 0},
};

const struct command command_providers_list = {
    .name = "providers list",
    .arguments = "",
    .summary = "List the configured providers and whether they have keys",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .run = run,
};
