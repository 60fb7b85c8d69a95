/* `penstock providers list`. */

#include <stdio.h>

#include "providers/models/registry.h"
#include "scheduler/cli/command.h"
#include "scheduler/cli/providers/provider_facts.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/config/config.h"
#include "shared/json/json.h"

static void print_json(const struct provider_facts *facts, const char *key, const char *address)
{
    CLEANUP(json_freep) struct json_object *out = json_object_new_object();
    const struct provider_target *target = &facts->target;

    json_object_object_add(out, "name", json_object_new_string(target->provider_name));
    json_object_object_add(out, "kind", json_object_new_string(facts->kind));
    json_object_object_add(out, "base_url", json_object_new_string(address));
    json_object_object_add(out, "in_use", json_object_new_boolean(facts->in_use));
    json_object_object_add(out, "key", json_object_new_string(key));
    json_object_object_add(out, "models", json_object_new_int64((int64_t)facts->models));
    json_object_object_add(out, "limited", json_object_new_int64((int64_t)facts->limited));
    json_object_object_add(out, "stream", json_object_new_boolean(target->stream));
    json_object_object_add(
        out, "concurrent_calls",
        target->concurrent_calls > 0 ? json_object_new_int64(target->concurrent_calls) : NULL);
    printf("%.*s\n", TEXT_ARGS(json_text(out)));
}

static void print_row(const struct provider_facts *facts, const char *key, const char *address)
{
    const struct provider_target *target = &facts->target;
    char calls[24] = "-";

    if (target->concurrent_calls > 0)
        (void)snprintf(calls, sizeof(calls), "%lld", (long long)target->concurrent_calls);
    printf("%-16s  %-16s  %-28s  %6zu  %7zu  %-6s  %8s  ", target->provider_name, facts->kind, key,
           facts->models, facts->limited, target->stream ? "yes" : "no", calls);
    terminal_print_line(stdout, text_of(address), 100);
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
        printf("%-16s  %-16s  %-28s  %6s  %7s  %-6s  %8s  %s\n", "PROVIDER", "KIND", "KEY",
               "MODELS", "LIMITED", "STREAM", "AT ONCE", "ADDRESS");
    for (unsigned i = 0; i < config->providers_count; i++) {
        const struct provider_facts facts = provider_facts_of(registry, i);
        CLEANUP(buf_deinit) struct buf address = {0};
        char key[PROVIDER_KEY_WORDS_SIZE];

        buf_init(&address, 0);
        provider_facts_key(&facts, key);
        provider_facts_address(&facts, &address);
        if (json)
            print_json(&facts, key, buf_string(&address));
        else
            print_row(&facts, key, buf_string(&address));
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
    .details =
        "Nobody is asked. MODELS are those of the configuration and those that are known by\n"
        "name, LIMITED those of them with limits that are known, AT ONCE the calls that the\n"
        "provider is to have at once, over all its models.",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .run = run,
};
