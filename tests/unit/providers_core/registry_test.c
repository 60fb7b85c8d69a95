/* From the name of a model to where it is served. */

#include <stdio.h>

#include <criterion/criterion.h>

#include "providers/formats/formats.h"
#include "providers/models/registry.h"
#include "shared/base/error.h"
#include "shared/config/config.h"

static struct config_provider providers[] = {
    {.name = "openai",
     .kind = "openai_chat",
     .base_url = "https://api.openai.com/v1",
     .api_key = "sk-1",
     .connect_timeout_ms = 1,
     .first_byte_timeout_ms = 2,
     .total_timeout_ms = 3},
    {.name = "groq", .kind = "openai_chat", .base_url = "https://api.groq.com/openai/v1"},
    {.name = "google",
     .kind = "gemini",
     .base_url = "https://generativelanguage.googleapis.com/v1beta"},
    {.name = "ollama", .kind = "ollama", .base_url = "http://127.0.0.1:11434"},
    {.name = "local", .kind = "openai_chat", .base_url = "http://127.0.0.1:8000/v1", .api_key = ""},
};
static struct config_model models[] = {
    {.name = "fast",
     .provider = "groq",
     .model = "llama-3.1-8b-instant",
     .context_tokens = -1,
     .output_tokens = -1,
     .input_price = -1,
     .output_price = 7,
     .requests_per_minute = 30},
    {.name = "gpt-4o", .provider = "local", .model = "qwen", .context_tokens = 4096},
    {.name = "large",
     .provider = "ollama",
     .model = "gpt-oss:120b",
     .context_tokens = 100000,
     .output_tokens = -1},
};
static struct config config = {.providers = providers,
                               .providers_count = ARRAY_LENGTH(providers),
                               .models = models,
                               .models_count = ARRAY_LENGTH(models)};
static struct provider_registry *registry;
static struct provider_target target;
static struct error err;

static void open_registry(void)
{
    cr_assert_eq(provider_registry_new(&config, &registry, &err), 0, "%s", err.text);
}

static void close_registry(void)
{
    provider_registry_freep(&registry);
    cr_assert_null(registry);
}

TestSuite(registry, .init = open_registry, .fini = close_registry);

static bool resolves(const char *name, const char *provider, const char *model)
{
    memset(&target, 0, sizeof(target));
    if (provider_registry_resolve(registry, text_of(name), &target, &err) < 0)
        return false;
    return strcmp(target.provider_name, provider) == 0 && strcmp(target.model, model) == 0;
}

Test(registry, the_configurations_models_come_first)
{
    cr_assert(resolves("fast", "groq", "llama-3.1-8b-instant"));
    cr_assert_eq(target.context_tokens, 131072, "known by the provider's name for it");
    cr_assert(resolves("gpt-4o", "local", "qwen"));
    cr_assert_eq(target.context_tokens, 4096);
}

Test(registry, an_entry_holds_for_its_model_by_any_name)
{
    cr_assert(resolves("fast", "groq", "llama-3.1-8b-instant"));
    cr_assert_eq(target.prices.input, 50000, "of the table");
    cr_assert_eq(target.prices.output, 7);
    cr_assert_eq(target.limits.requests_per_minute, 30);
    cr_assert(resolves("groq/llama-3.1-8b-instant", "groq", "llama-3.1-8b-instant"));
    cr_assert_eq(target.prices.output, 7);
    cr_assert_eq(target.context_tokens, 131072);
}

Test(registry, a_provider_speaks_its_format)
{
    cr_assert(resolves("google/gemini-3-flash", "google", "gemini-3-flash"));
    cr_assert_eq(target.provider, &provider_gemini);
    cr_assert_eq(target.context_tokens, 1048576);
    cr_assert_str_eq(target.key_variable, "GEMINI_API_KEY");
    cr_assert(resolves("gemini-2.5-pro", "google", "gemini-2.5-pro"));
    cr_assert(resolves("ollama/qwen3:8b", "ollama", "qwen3:8b"));
    cr_assert_eq(target.provider, &provider_ollama);
    cr_assert_null(target.key_variable);
}

Test(registry, of_a_context_that_costs_memory_no_more_is_used_than_the_configuration_says)
{
    cr_assert(resolves("ollama/gpt-oss:20b", "ollama", "gpt-oss:20b"));
    cr_assert_eq(target.context_tokens, 32768);
    cr_assert(resolves("ollama/gpt-oss:120b", "ollama", "gpt-oss:120b"));
    cr_assert_eq(target.context_tokens, 100000);
    cr_assert(resolves("ollama/nomic-embed-text", "ollama", "nomic-embed-text"));
    cr_assert_eq(target.context_tokens, 8192);
    cr_assert(resolves("ollama/never-heard-of", "ollama", "never-heard-of"));
    cr_assert_eq(target.context_tokens, 0);
    cr_assert(resolves("local/gpt-oss", "local", "gpt-oss"));
    cr_assert_eq(target.context_tokens, 131072);
}

Test(registry, prices_and_limits_are_those_of_who_serves_it)
{
    cr_assert(resolves("openai/gpt-4o", "openai", "gpt-4o"));
    cr_assert_eq(target.prices.input, 2500000);
    cr_assert_eq(target.limits.tokens_per_minute, 30000);
    cr_assert(resolves("local/gpt-4o", "local", "gpt-4o"));
    cr_assert_eq(target.context_tokens, 128000);
    cr_assert_eq(target.prices.input, 0);
    cr_assert_eq(target.limits.tokens_per_minute, 0);
    cr_assert(resolves("openai/gpt-4o-audio-preview", "openai", "gpt-4o-audio-preview"));
    cr_assert_eq(target.prices.input, 0);
    cr_assert(resolves("local/never-heard-of", "local", "never-heard-of"));
    cr_assert(target.abilities.tools);
}

Test(registries, limits_of_the_table_hold_at_the_providers_own_address)
{
    struct config_provider gateway = {.name = "openai", .base_url = "http://gateway:4000/v1"};
    struct config one = {.providers = &gateway, .providers_count = 1};
    struct provider_registry *made;

    cr_assert_eq(provider_registry_new(&one, &made, &err), 0);
    cr_assert_eq(provider_registry_resolve(made, TEXT("gpt-4o"), &target, &err), 0);
    cr_assert_eq(target.prices.input, 2500000);
    cr_assert_eq(target.limits.requests_per_minute, 0);
    cr_assert(target.habits.max_tokens_is_new);
    provider_registry_free(made);
}

Test(registries, a_server_keeps_its_habits_behind_another_address)
{
    struct config_provider known[] = {
        {.name = "mistral", .base_url = "http://gateway:4000/v1"},
        {.name = "mine", .base_url = "https://api.mistral.ai/v1"},
        {.name = "other", .base_url = "http://gateway:4000/v1"},
    };
    struct config three = {.providers = known, .providers_count = ARRAY_LENGTH(known)};
    struct provider_registry *made;

    cr_assert_eq(provider_registry_new(&three, &made, &err), 0);
    cr_assert_eq(provider_registry_resolve(made, TEXT("mistral/m"), &target, &err), 0);
    cr_assert(target.habits.usage_is_not_asked && target.habits.short_call_ids);
    cr_assert_null(target.key_variable, "the address decides whether a key is needed");
    cr_assert_eq(provider_registry_resolve(made, TEXT("mine/m"), &target, &err), 0);
    cr_assert(target.habits.usage_is_not_asked && target.habits.short_call_ids);
    cr_assert_eq(provider_registry_resolve(made, TEXT("other/m"), &target, &err), 0);
    cr_assert_not(target.habits.usage_is_not_asked || target.habits.short_call_ids);
    provider_registry_free(made);
}

Test(registry, provider_slash_model_passes_the_rest_on_as_it_is)
{
    cr_assert(resolves("openai/gpt-4o", "openai", "gpt-4o"));
    cr_assert(resolves("openai/gpt-99-ultra", "openai", "gpt-99-ultra"));
    cr_assert(resolves("groq/meta-llama/llama-4-scout", "groq", "meta-llama/llama-4-scout"));
    cr_assert_eq(target.context_tokens, 0);
}

Test(registry, well_known_names_and_their_variants_find_their_provider)
{
    cr_assert(resolves("gpt-4o-mini", "openai", "gpt-4o-mini"));
    cr_assert_eq(target.context_tokens, 128000);
    cr_assert(resolves("gpt-4o-2024-08-06", "openai", "gpt-4o-2024-08-06"));
    cr_assert(resolves("gpt-4", "openai", "gpt-4"));
    cr_assert_eq(target.context_tokens, 8192);
    cr_assert(resolves("gpt-4-turbo-2024-04-09", "openai", "gpt-4-turbo-2024-04-09"));
    cr_assert_eq(target.context_tokens, 128000, "the longest entry counts");
    cr_assert(resolves("o3-mini", "openai", "o3-mini"));
    cr_assert(resolves("llama-3.3-70b-versatile", "groq", "llama-3.3-70b-versatile"));
}

Test(registry, a_target_carries_what_a_call_needs)
{
    cr_assert(resolves("openai/gpt-4o", "openai", "gpt-4o"));
    cr_assert_eq(target.provider, &provider_openai_chat);
    cr_assert_str_eq(target.base_url, "https://api.openai.com/v1");
    cr_assert_str_eq(target.api_key, "sk-1");
    cr_assert_eq(target.connect_timeout_ms, 1);
    cr_assert_eq(target.first_byte_timeout_ms, 2);
    cr_assert_eq(target.total_timeout_ms, 3);
    cr_assert(target.habits.max_tokens_is_new);
    cr_assert(resolves("groq/x", "groq", "x"));
    cr_assert(target.habits.max_tokens_is_new);
    cr_assert(target.habits.efforts_are_few);
    cr_assert(target.habits.usage_is_not_asked);
    cr_assert_str_eq(target.api_key, "", "a key that is not set is empty, not NULL");
    cr_assert(resolves("local/x", "local", "x"));
    cr_assert_not(target.habits.max_tokens_is_new);
}

static void add_name(void *arg, struct text name, const struct provider_target *listed)
{
    struct provider_target again;

    buf_add_text(arg, name);
    buf_add_char(arg, ' ');
    cr_assert_eq(provider_registry_resolve(registry, name, &again, &err), 0);
    cr_assert_str_eq(again.model, listed->model);
    cr_assert_str_eq(again.provider_name, listed->provider_name);
}

/* Of the providers one has a key. */
Test(registry, lists_what_is_configured)
{
    struct buf names;

    buf_init(&names, 0);
    provider_registry_list(registry, add_name, &names);
    cr_assert(text_starts(buf_text(&names), "fast gpt-4o large gpt-5.6 "), "%s", names.ptr);
    cr_assert(strstr(names.ptr, " gpt-4o-mini "));
    cr_assert_null(strstr(names.ptr, "llama"));
    cr_assert_null(strstr(strstr(names.ptr, " gpt-4o ") + 1, " gpt-4o "), "as it is configured");
    buf_deinit(&names);
}

static const char *refusal(const char *name)
{
    err.text[0] = '\0';
    cr_assert_eq(provider_registry_resolve(registry, text_of(name), &target, &err), -E_NOT_FOUND);
    return err.text;
}

Test(registry, an_unknown_model_is_told_what_would_be_right)
{
    cr_assert_str_eq(refusal("gpt-9"),
                     "model 'gpt-9' is not known; name it provider/model, for example "
                     "openai/gpt-9, or configure a default_provider; providers here: openai, "
                     "groq, google, ollama, local");
    cr_assert(strstr(refusal("ft:gpt-9-2024-07-18:acme::abc"),
                     "for example openai/ft:gpt-9-2024-07-18:acme::abc, or"));
    cr_assert(strstr(refusal("a-name-of-more-than-forty-characters-in-all"),
                     "for example openai/NAME, or configure a default_provider; providers here: "
                     "openai, groq, google, ollama, local"));
    cr_assert_str_eq(refusal("mistral/large"),
                     "model 'mistral/large' is not known: there is no such "
                     "provider; providers here: openai, groq, google, ollama, local");
    cr_assert(strstr(refusal("deepseek-chat"), "is not known"), "its provider is not configured");
    cr_assert(strstr(refusal("openai/"), "is not known"));
}

Test(registry, names_that_are_no_names_are_refused)
{
    char longest[300];

    memset(longest, 'a', sizeof(longest));
    longest[299] = '\0';
    cr_assert(strstr(refusal(""), "1 to 255 characters"));
    cr_assert(strstr(refusal("gpt 4"), "1 to 255 characters"));
    cr_assert(strstr(refusal("gpt\n4"), "1 to 255 characters"));
    cr_assert(strstr(refusal("gpt\xFF"), "1 to 255 characters"));
    cr_assert(strstr(refusal(longest), "1 to 255 characters"));
}

Test(registries, conversations_are_kept_where_the_kind_has_words_for_it_and_somebody_says_so)
{
    struct config_provider said[] = {
        {.name = "a",
         .kind = "openai_responses",
         .base_url = "http://x",
         .native_state = CONFIG_ON},
        {.name = "b", .kind = "openai_responses", .base_url = "http://x"},
        {.name = "c", .kind = "openai_chat", .base_url = "http://x", .native_state = CONFIG_OFF},
    };
    struct config fine = {.providers = said, .providers_count = 3};

    cr_assert_eq(provider_registry_new(&fine, &registry, &err), 0, "%s", err.text);
    cr_assert(resolves("a/m", "a", "m"));
    cr_assert(target.native_state);
    cr_assert(resolves("b/m", "b", "m"));
    cr_assert_not(target.native_state);
    provider_registry_free(registry);
    said[2].native_state = CONFIG_ON;
    cr_assert_eq(provider_registry_new(&fine, &registry, &err), -E_INVALID);
    cr_assert(strstr(err.text, "'c' has native_state") && strstr(err.text, "openai_responses"),
              "%s", err.text);
}

Test(registries, an_unknown_kind_is_refused)
{
    struct config_provider odd = {.name = "odd", .kind = "smoke_signals", .base_url = "http://x"};
    struct config broken = {.providers = &odd, .providers_count = 1};

    cr_assert_eq(provider_registry_new(&broken, &registry, &err), -E_INVALID);
    cr_assert(strstr(err.text, "smoke_signals") && strstr(err.text, "openai_chat"), "%s", err.text);
}

Test(registries, a_model_of_a_missing_provider_is_refused)
{
    struct config_model model = {.name = "m", .provider = "nobody", .model = "x"};
    struct config broken = {
        .providers = providers, .providers_count = 1, .models = &model, .models_count = 1};

    cr_assert_eq(provider_registry_new(&broken, &registry, &err), -E_INVALID);
    cr_assert(strstr(err.text, "nobody"), "%s", err.text);
}

Test(registries, many_providers_do_not_overflow_the_message)
{
    static char names[40][32];
    struct config_provider many[40] = {0};
    struct config wide = {.providers = many, .providers_count = 40};

    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof(names[i]), "provider-number-%d", i);
        many[i] = (struct config_provider){
            .name = names[i], .kind = "openai_chat", .base_url = "http://127.0.0.1"};
    }
    cr_assert_eq(provider_registry_new(&wide, &registry, &err), 0);
    cr_assert_eq(provider_registry_resolve(registry, TEXT("x"), &target, &err), -E_NOT_FOUND);
    cr_assert(strstr(err.text, ", ..."), "%s", err.text);
    provider_registry_free(registry);
}

Test(registry, a_key_that_is_missed_is_named)
{
    cr_assert(resolves("openai/x", "openai", "x"));
    cr_assert_null(target.key_variable, "it has one");
    cr_assert(resolves("groq/x", "groq", "x"));
    cr_assert_str_eq(target.key_variable, "GROQ_API_KEY");
    cr_assert(resolves("local/x", "local", "x"));
    cr_assert_null(target.key_variable, "servers of one's own need none");
}

Test(registries, a_key_may_stand_in_a_header)
{
    char *headers[] = {"X-Team: a", "Authorization: Bearer x"};
    struct config_provider provider = {.name = "openai",
                                       .base_url = "https://api.openai.com/v1",
                                       .headers = headers,
                                       .headers_count = 2};
    struct config one = {.providers = &provider, .providers_count = 1};

    cr_assert_eq(provider_registry_new(&one, &registry, &err), 0);
    cr_assert(resolves("openai/x", "openai", "x"));
    cr_assert_null(target.key_variable);
    provider_registry_free(registry);
}

Test(registries, a_default_provider_serves_bare_names)
{
    struct config with_default = config;

    with_default.default_provider = (char *)(uintptr_t) "local";
    cr_assert_eq(provider_registry_new(&with_default, &registry, &err), 0);
    cr_assert(resolves("gpt-9", "local", "gpt-9"));
    cr_assert(resolves("ft:gpt-4o:acme::1", "local", "ft:gpt-4o:acme::1"));
    cr_assert(resolves("deepseek-chat", "local", "deepseek-chat"), "its own is not configured");
    cr_assert(resolves("gpt-4", "openai", "gpt-4"), "a known name has its own provider");
    cr_assert(strstr(refusal("mistral/large"), "no such provider"));
    provider_registry_free(registry);
    with_default.default_provider = (char *)(uintptr_t) "nobody";
    cr_assert_eq(provider_registry_new(&with_default, &registry, &err), -E_INVALID);
    cr_assert(strstr(err.text, "default_provider 'nobody'"), "%s", err.text);
}
