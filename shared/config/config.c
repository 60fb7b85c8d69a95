/* Configuration as a whole: the sources in their order, and the end of it. */

#include "shared/config/config.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config_internal.h"

/* NULL: there is none. */
static const char *file_of(const struct config_flags *flags, char *const *environment)
{
    const char *path = flags ? flags->file : NULL;

    return path ? path : config_variable(environment, "PENSTOCK_CONFIG");
}

static int apply(struct config *config, struct config_file *file, char *const *environment,
                 const struct config_flags *flags, struct error *err)
{
    const char *path = file_of(flags, environment);
    int r;

    if (path) {
        r = config_file_read(path, environment, file, err);
        if (r < 0)
            return r;
    }
    r = config_apply_scalars(config, file, environment, flags, err);
    if (r == 0)
        r = config_apply_private_addresses(config, file, environment, err);
    if (r == 0)
        r = config_apply_providers(config, file, environment, err);
    if (r == 0)
        r = config_apply_models(config, file, err);
    if (r == 0)
        r = config_apply_search(config, file, err);
    if (r == 0)
        r = config_apply_mcp_servers(config, file, err);
    return r;
}

int config_load(const struct config_flags *flags, char *const *environment, struct config **out,
                struct error *err)
{
    struct config *config = xcalloc(1, sizeof(*config));
    struct config_file file = {.path = "the configuration"};
    int r = apply(config, &file, environment, flags, err);

    config_file_deinit(&file);
    if (r < 0) {
        (void)error_clean(err);
        config_free(config);
        return r;
    }
    *out = config;
    return 0;
}

int config_load_again(const struct config_flags *flags, char *const *environment,
                      struct config **out, struct error *err)
{
    const char *path = file_of(flags, environment);
    struct stat info;

    if (path && stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        (void)error_set(err, E_INVALID, "%s can't be read a second time: it is no regular file",
                        path);
        return error_clean(err);
    }
    return config_load(flags, environment, out, err);
}

bool config_reads(const char *variable, const char *file_text)
{
    return strcmp(variable, "PENSTOCK_CONFIG") == 0 ||
           strcmp(variable, "PENSTOCK_PRIVATE_ADDRESSES") == 0 || config_scalars_read(variable) ||
           config_providers_read(variable) || config_text_names(text_of(file_text), variable);
}

static void free_strings(char **strings, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        free(strings[i]);
    free(strings);
}

static void free_provider(struct config_provider *provider)
{
    free(provider->name);
    free(provider->kind);
    free(provider->base_url);
    if (provider->api_key)
        explicit_bzero(provider->api_key, strlen(provider->api_key));
    free(provider->api_key);
    for (unsigned i = 0; i < provider->api_keys_count; i++)
        explicit_bzero(provider->api_keys[i], strlen(provider->api_keys[i]));
    free_strings(provider->api_keys, provider->api_keys_count);
    free_strings(provider->headers, provider->headers_count);
}

static void free_files(struct config *config)
{
    free(config->files.store);
    free(config->files.directory);
    free(config->files.s3_endpoint);
    free(config->files.s3_bucket);
    free(config->files.s3_region);
    free(config->files.s3_access_key);
    if (config->files.s3_secret_key)
        explicit_bzero(config->files.s3_secret_key, strlen(config->files.s3_secret_key));
    free(config->files.s3_secret_key);
    free(config->files.s3_addressing);
}

static void free_secrets(struct config *config)
{
    if (config->secrets.master_key)
        explicit_bzero(config->secrets.master_key, strlen(config->secrets.master_key));
    free(config->secrets.master_key);
    free(config->secrets.master_key_file);
}

static void free_search(struct config *config)
{
    for (unsigned i = 0; i < config->web_search_count; i++) {
        struct config_search_engine *engine = &config->web_search[i];

        free(engine->name);
        free(engine->kind);
        free(engine->base_url);
        if (engine->api_key)
            explicit_bzero(engine->api_key, strlen(engine->api_key));
        free(engine->api_key);
        free(engine->api_key_file);
    }
    free(config->web_search);
    free(config->read_page.robots);
}

static void free_telemetry(struct config *config)
{
    free(config->telemetry.endpoint);
    free(config->telemetry.traces_endpoint);
    if (config->telemetry.headers)
        explicit_bzero(config->telemetry.headers, strlen(config->telemetry.headers));
    free(config->telemetry.headers);
    free(config->telemetry.service_name);
    free(config->telemetry.resource_attributes);
    free(config->telemetry.sampler);
    free(config->telemetry.sampler_arg);
    free(config->telemetry.content);
    free(config->telemetry.tell_providers);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    free(config->database_url);
    free(config->redis_url);
    free(config->scheduler.host);
    free(config->memory.embedding_model);
    free(config->default_provider);
    free(config->scheduler.roles);
    free(config->scheduler.metrics);
    free(config->scheduler.search);
    free(config->scheduler.mcp_origins);
    free(config->webhooks.private_addresses);
    free(config->code_interpreter.enabled);
    free(config->code_interpreter.cgroups);
    free(config->worker.host);
    free_files(config);
    free_secrets(config);
    free_search(config);
    free_telemetry(config);
    free_strings(config->worker.private_addresses, config->worker.private_addresses_count);
    for (unsigned i = 0; i < config->providers_count; i++)
        free_provider(&config->providers[i]);
    free(config->providers);
    config_models_free(config->models, config->models_count);
    config_mcp_servers_free(config);
    free(config);
}

void config_freep(struct config **config)
{
    config_free(*config);
}
