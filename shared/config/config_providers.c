/* Providers and private addresses: what the configuration has lists of. Models are in
 * config_models.c. */

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config_internal.h"

#define CALLS_MAX      INT64_C(1000000000)
#define TIMEOUT_MAX_MS ((int64_t)24 * 3600 * 1000)

/* clang-format off */
static const struct builtin {
    const char *name;
    const char *kind;
    const char *base_url;
    const char *key_variable;
    const char *url_variable;
} builtins[] = {
    {"openai", "openai_chat", "https://api.openai.com/v1", "OPENAI_API_KEY", "OPENAI_BASE_URL"},
    {"groq", "openai_chat", "https://api.groq.com/openai/v1", "GROQ_API_KEY", "GROQ_BASE_URL"},
    {"anthropic", "anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"},
    {"deepseek", "openai_chat", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", "DEEPSEEK_BASE_URL"},
    {"mistral", "openai_chat", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", "MISTRAL_BASE_URL"},
    {"openrouter", "openai_chat", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "OPENROUTER_BASE_URL"},
    {"google", "gemini", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY", "GEMINI_BASE_URL"},
    {"ollama", "ollama", "http://127.0.0.1:11434", "OLLAMA_API_KEY", "OLLAMA_BASE_URL"},
    {"local", "openai_chat", "http://127.0.0.1:8000/v1", "PENSTOCK_LOCAL_API_KEY", "PENSTOCK_LOCAL_BASE_URL"},
    {"builtin", "builtin", "", NULL, NULL}, /* within the process */
};
/* clang-format on */

static struct config_provider *find_provider(const struct config *config, const char *name)
{
    for (unsigned i = 0; i < config->providers_count; i++)
        if (strcmp(config->providers[i].name, name) == 0)
            return &config->providers[i];
    return NULL;
}

/* The caller made room for it. */
static struct config_provider *add_provider(struct config *config, const char *name,
                                            const char *kind, const char *base_url)
{
    struct config_provider *provider = &config->providers[config->providers_count++];

    *provider = (struct config_provider){
        .name = xstrdup(name),
        .kind = xstrdup(kind),
        .base_url = xstrdup(base_url),
        .api_key = xstrdup(""),
        .connect_timeout_ms = 10000,
        .first_byte_timeout_ms = 120000,
        .idle_timeout_ms = 60000,
        .total_timeout_ms = 600000,
    };
    return provider;
}

static void replace(char **at, const char *value)
{
    if (!value)
        return;
    free(*at);
    *at = xstrdup(value);
}

int config_complain(const struct config_place *place, const char *member, const char *complaint,
                    struct error *err)
{
    char path[64];
    char where[200];

    (void)snprintf(path, sizeof(path), "%s[%u]%s%s", place->list, place->index, *member ? "." : "",
                   member);
    config_file_where(place->file, path, where, sizeof(where));
    return error_set(err, E_INVALID, "%s %s", where, complaint);
}

int config_check_member(const struct config_place *place, const char *member, const char *value,
                        const char *(*check)(const char *value), struct error *err)
{
    const char *complaint = value ? check(value) : NULL;

    return complaint ? config_complain(place, member, complaint, err) : 0;
}

bool config_switch_of(const char *word, enum config_switch *out)
{
    if (word && strcmp(word, "true") != 0 && strcmp(word, "false") != 0)
        return false;
    *out = !word ? CONFIG_UNSET : *word == 't' ? CONFIG_ON : CONFIG_OFF;
    return true;
}

static int apply_timeout(const struct config_place *place, const char *member, const int64_t *value,
                         int64_t *out, struct error *err)
{
    if (!value)
        return 0;
    if (*value < 1 || *value > TIMEOUT_MAX_MS)
        return config_complain(place, member, "must be 1 to 86400000 milliseconds", err);
    *out = *value;
    return 0;
}

static int apply_headers(const struct config_place *place, const struct config_file_provider *from,
                         struct config_provider *to, struct error *err)
{
    if (from->headers_count == 0)
        return 0;
    to->headers = xcalloc(from->headers_count, sizeof(*to->headers));
    for (unsigned i = 0; i < from->headers_count; i++) {
        char member[32];
        int r;

        (void)snprintf(member, sizeof(member), "headers[%u]", i);
        r = config_check_member(place, member, from->headers[i], config_check_header, err);
        if (r < 0)
            return r;
        to->headers[to->headers_count++] = xstrdup(from->headers[i]);
    }
    return 0;
}

static int apply_keys(const struct config_place *place, const struct config_file_provider *from,
                      struct config_provider *to, struct error *err)
{
    if (from->api_keys_count == 0)
        return 0;
    if (from->api_keys_count >= CONFIG_KEYS_MAX)
        return config_complain(place, "api_keys", "has more than 7 keys beside api_key", err);
    to->api_keys = xcalloc(from->api_keys_count, sizeof(*to->api_keys));
    for (unsigned i = 0; i < from->api_keys_count; i++) {
        char member[32];
        int r;

        (void)snprintf(member, sizeof(member), "api_keys[%u]", i);
        r = config_check_member(place, member, from->api_keys[i], config_check_secret, err);
        if (r < 0)
            return r;
        to->api_keys[to->api_keys_count++] = xstrdup(from->api_keys[i]);
    }
    return 0;
}

static int apply_concurrent_calls(const struct config_place *place, const int64_t *value,
                                  struct config_provider *to, struct error *err)
{
    if (!value)
        return 0;
    if (*value < 0 || *value > CALLS_MAX)
        return config_complain(place, "concurrent_calls", "must be 0 (no limit) to 1000000000",
                               err);
    to->concurrent_calls = *value;
    return 0;
}

static int apply_switches(const struct config_place *place, const struct config_file_provider *from,
                          struct config_provider *to, struct error *err)
{
    if (from->stream && !config_switch_of(from->stream, &to->stream))
        return config_complain(place, "stream", "must be true or false", err);
    if (from->native_state && !config_switch_of(from->native_state, &to->native_state))
        return config_complain(place, "native_state", "must be true or false", err);
    return 0;
}

static int check_provider(const struct config_place *place, const struct config_file_provider *from,
                          struct error *err)
{
    int r;

    if (!from->name)
        return config_complain(place, "", "must have a name", err);
    r = config_check_member(place, "name", from->name, config_check_name, err);
    if (r == 0 && strchr(from->name, '/'))
        r = config_complain(place, "name", "must have no \"/\": that ends it in a model's name",
                            err);
    if (r == 0)
        r = config_check_member(place, "kind", from->kind, config_check_name, err);
    if (r == 0)
        r = config_check_member(place, "base_url", from->base_url, config_check_http_url, err);
    if (r == 0)
        r = config_check_member(place, "api_key", from->api_key, config_check_secret, err);
    return r;
}

static int apply_provider(struct config *config, const struct config_place *place,
                          const struct config_file_provider *from, struct error *err)
{
    struct config_provider *to;
    int r = check_provider(place, from, err);

    if (r < 0)
        return r;
    for (unsigned i = 0; i < place->index; i++)
        if (strcmp(place->file->data->providers[i].name, from->name) == 0)
            return config_complain(place, "name",
                                   "is there already: names of providers must differ", err);
    to = find_provider(config, from->name);
    if (!to && !from->base_url)
        return config_complain(place, "", "must have a base_url, for it is no built-in provider",
                               err);
    if (!to)
        to = add_provider(config, from->name, "openai_chat", from->base_url);
    to->in_use = true;
    replace(&to->kind, from->kind);
    replace(&to->base_url, from->base_url);
    replace(&to->api_key, from->api_key);
    r = apply_timeout(place, "connect_timeout_ms", from->connect_timeout_ms,
                      &to->connect_timeout_ms, err);
    if (r == 0)
        r = apply_timeout(place, "first_byte_timeout_ms", from->first_byte_timeout_ms,
                          &to->first_byte_timeout_ms, err);
    if (r == 0)
        r = apply_timeout(place, "idle_timeout_ms", from->idle_timeout_ms, &to->idle_timeout_ms,
                          err);
    if (r == 0)
        r = apply_timeout(place, "total_timeout_ms", from->total_timeout_ms, &to->total_timeout_ms,
                          err);
    if (r == 0)
        r = apply_switches(place, from, to, err);
    if (r == 0)
        r = apply_concurrent_calls(place, from->concurrent_calls, to, err);
    if (r == 0)
        r = apply_keys(place, from, to, err);
    if (r == 0)
        r = apply_headers(place, from, to, err);
    return r;
}

static int apply_variable(char *const *environment, const char *name, char **to,
                          const char *(*check)(const char *value), struct error *err)
{
    const char *value = config_variable(environment, name);
    const char *complaint = value ? check(value) : NULL;

    if (complaint)
        return error_set(err, E_INVALID, "%s %s", name, complaint);
    replace(to, value);
    return 0;
}

/* A slash at the end would double where paths are added. */
static void trim_slashes(char *url)
{
    size_t len = strlen(url);

    while (len > 0 && url[len - 1] == '/')
        url[--len] = '\0';
}

int config_apply_providers(struct config *config, struct config_file *file,
                           char *const *environment, struct error *err)
{
    unsigned count = file->data ? file->data->providers_count : 0;
    int r;

    config->providers = xcalloc(ARRAY_LENGTH(builtins) + count, sizeof(*config->providers));
    for (size_t i = 0; i < ARRAY_LENGTH(builtins); i++)
        (void)add_provider(config, builtins[i].name, builtins[i].kind, builtins[i].base_url);
    for (unsigned i = 0; i < count; i++) {
        struct config_place place = {file, "providers", i};

        r = apply_provider(config, &place, &file->data->providers[i], err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(builtins); i++) {
        struct config_provider *provider = find_provider(config, builtins[i].name);

        if (!builtins[i].key_variable)
            continue;
        r = apply_variable(environment, builtins[i].key_variable, &provider->api_key,
                           config_check_secret, err);
        if (r == 0)
            r = apply_variable(environment, builtins[i].url_variable, &provider->base_url,
                               config_check_http_url, err);
        if (r < 0)
            return r;
        provider->in_use = provider->in_use ||
                           config_variable(environment, builtins[i].key_variable) ||
                           config_variable(environment, builtins[i].url_variable);
    }
    for (unsigned i = 0; i < config->providers_count; i++)
        trim_slashes(config->providers[i].base_url);
    return 0;
}

static void add_private_address(struct config *config, struct text text)
{
    unsigned count = config->worker.private_addresses_count++;

    config->worker.private_addresses =
        xrealloc(config->worker.private_addresses, (count + 1) * sizeof(char *));
    config->worker.private_addresses[count] = xstrndup(text.ptr, text.len);
}

/* PENSTOCK_PRIVATE_ADDRESSES has them with commas between, in place of the file's. */
static int private_addresses_from(struct config *config, const char *value, struct error *err)
{
    struct text left = text_of(value);
    bool more = true;

    while (more) {
        struct text one;
        const char *complaint;

        more = text_cut(left, ',', &one, &left);
        one = text_trim(more ? one : left);
        add_private_address(config, one);
        complaint = config_check_private_address(
            config->worker.private_addresses[config->worker.private_addresses_count - 1]);
        if (complaint)
            return error_set(err, E_INVALID, "PENSTOCK_PRIVATE_ADDRESSES: \"%.*s\" %s",
                             TEXT_ARGS(one), complaint);
    }
    return 0;
}

int config_apply_private_addresses(struct config *config, struct config_file *file,
                                   char *const *environment, struct error *err)
{
    const char *value = config_variable(environment, "PENSTOCK_PRIVATE_ADDRESSES");
    struct config_place place = {file, "worker.private_addresses", 0};

    if (value)
        return private_addresses_from(config, value, err);
    if (!file->data)
        return 0;
    for (; place.index < file->data->worker.private_addresses_count; place.index++) {
        const char *entry = file->data->worker.private_addresses[place.index];
        int r = config_check_member(&place, "", entry, config_check_private_address, err);

        if (r < 0)
            return r;
        add_private_address(config, text_of(entry));
    }
    return 0;
}

static bool same_strings(char *const *one, unsigned one_count, char *const *other,
                         unsigned other_count)
{
    if (one_count != other_count)
        return false;
    for (unsigned i = 0; i < one_count; i++)
        if (strcmp(one[i], other[i]) != 0)
            return false;
    return true;
}

bool config_provider_equal(const struct config_provider *one, const struct config_provider *other)
{
    return strcmp(one->name, other->name) == 0 && strcmp(one->kind, other->kind) == 0 &&
           strcmp(one->base_url, other->base_url) == 0 &&
           strcmp(one->api_key, other->api_key) == 0 &&
           same_strings(one->api_keys, one->api_keys_count, other->api_keys,
                        other->api_keys_count) &&
           one->concurrent_calls == other->concurrent_calls &&
           same_strings(one->headers, one->headers_count, other->headers, other->headers_count) &&
           one->connect_timeout_ms == other->connect_timeout_ms &&
           one->first_byte_timeout_ms == other->first_byte_timeout_ms &&
           one->idle_timeout_ms == other->idle_timeout_ms &&
           one->total_timeout_ms == other->total_timeout_ms && one->stream == other->stream &&
           one->native_state == other->native_state;
}

bool config_providers_read(const char *variable)
{
    for (size_t i = 0; i < ARRAY_LENGTH(builtins); i++)
        if (builtins[i].key_variable && (strcmp(builtins[i].key_variable, variable) == 0 ||
                                         strcmp(builtins[i].url_variable, variable) == 0))
            return true;
    return false;
}
