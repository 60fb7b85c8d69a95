/* What is known of a provider without asking it. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "providers/models/registry.h"
#include "scheduler/cli/providers/provider_facts.h"
#include "shared/base/error.h"
#include "shared/config/config.h"
#include "tests/unit/support/config_of.h"

static struct provider_registry *registry;

static void load(const char *text, char **environment)
{
    struct config *config = config_of(text, environment, config_load);
    struct error err;

    cr_assert_eq(provider_registry_new(config, &registry, &err), 0, "%s", err.text);
    provider_registry_own(registry, config);
}

static void end(void)
{
    provider_registry_freep(&registry);
}

TestSuite(provider_facts, .fini = end);

static struct provider_facts facts_of(const char *name)
{
    const struct config *config = provider_registry_config(registry);
    unsigned at = 0;

    while (strcmp(config->providers[at].name, name) != 0)
        at++;
    return provider_facts_of(registry, at);
}

static void check_key(const char *provider, const char *words, bool missing)
{
    struct provider_facts facts = facts_of(provider);
    char key[PROVIDER_KEY_WORDS_SIZE];

    provider_facts_key(&facts, key);
    cr_assert_str_eq(key, words, "%s: %s", provider, key);
    cr_assert_eq(provider_facts_misses_key(&facts), missing, "%s", provider);
}

Test(provider_facts, tell_where_the_key_is)
{
    char *environment[] = {"GROQ_API_KEY=gsk_secret", NULL};

    load("providers:\n"
         "- {name: two, base_url: 'http://h', api_key: a-secret, api_keys: [b-secret]}\n"
         "- {name: headed, base_url: 'https://api.openai.com/v1',\n"
         "   headers: ['X-Team: t', 'api-key: c-secret']}\n"
         "- {name: wants, base_url: 'https://api.openai.com/v1', headers: ['X-Team: t']}\n"
         "- {name: inhouse, base_url: 'http://h/v1'}\n",
         environment);
    check_key("groq", "set", false);
    check_key("two", "2 keys", false);
    check_key("headed", "in headers", false);
    check_key("wants", "OPENAI_API_KEY is missing", true);
    check_key("inhouse", "none", false);
    check_key("anthropic", "ANTHROPIC_API_KEY is missing", false);
}

Test(provider_facts, are_in_use_when_the_file_or_a_variable_names_them)
{
    char *environment[] = {"OLLAMA_BASE_URL=http://h:1", "GROQ_API_KEY=x",
                           "MISTRAL_API_KEY=", NULL};

    load("providers: [{name: openai, stream: true}, {name: mine, base_url: 'http://h'}]\n",
         environment);
    for (size_t i = 0; i < 4; i++)
        cr_assert(facts_of((const char *[]){"openai", "mine", "ollama", "groq"}[i]).in_use);
    for (size_t i = 0; i < 3; i++)
        cr_assert_not(facts_of((const char *[]){"mistral", "local", "anthropic"}[i]).in_use);
}

Test(provider_facts, count_each_model_once_and_those_with_limits)
{
    char *environment[] = {NULL};

    load("providers: [{name: mine, base_url: 'http://h'}]\n"
         "models:\n"
         "- {name: a, provider: mine, requests_per_minute: 5}\n"
         "- {name: b, provider: mine}\n"
         "- {name: chat, provider: deepseek, model: deepseek-chat}\n",
         environment);
    cr_assert_eq(facts_of("mine").models, 2);
    cr_assert_eq(facts_of("mine").limited, 1);
    cr_assert_eq(facts_of("deepseek").models, 4);
    cr_assert_eq(facts_of("deepseek").limited, 1);
    cr_assert_eq(facts_of("local").models, 0);
}

Test(provider_facts, show_an_address_without_its_password)
{
    static const char *const urls[][2] = {
        {"http://me:secret@h:1/v1", "http://***@h:1/v1"},
        {"https://h/v1/@x", "https://h/v1/@x"},
        {"http://h", "http://h"},
    };
    char *environment[] = {NULL};

    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        struct buf text;
        struct buf address;
        struct provider_facts facts;

        buf_init(&text, 0);
        buf_init(&address, 0);
        buf_printf(&text, "providers: [{name: mine, base_url: '%s'}]\n", urls[i][0]);
        load(buf_string(&text), environment);
        facts = facts_of("mine");
        provider_facts_address(&facts, &address);
        cr_assert_str_eq(buf_string(&address), urls[i][1]);
        provider_registry_freep(&registry);
        buf_deinit(&address);
        buf_deinit(&text);
    }
}
