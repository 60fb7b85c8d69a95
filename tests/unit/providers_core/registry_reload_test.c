/* A registry that is made anew while targets of the old one are in use. */

#include <criterion/criterion.h>

#include "providers/models/registry.h"
#include "providers/models/registry_reload.h"
#include "shared/base/error.h"
#include "shared/config/config.h"
#include "tests/unit/support/config_of.h"

static char *no_environment[] = {NULL};
static struct provider_registry *registry;
static struct buf changed;
static struct error err;

static struct config *load(const char *text)
{
    return config_of(text, no_environment, config_load);
}

static const char first[] = "providers: [{name: spare, base_url: 'http://one/v1', api_key: k1},\n"
                            "  {name: old, base_url: 'http://old/v1'}]\n"
                            "models: [{name: small, provider: spare, input_price: 1},\n"
                            "  {name: same, provider: spare}, {name: gone, provider: old}]\n";
static const char second[] =
    "providers: [{name: new, base_url: 'http://new/v1'},\n"
    "  {name: spare, base_url: 'http://two/v1', api_key: k2}]\n"
    "models: [{name: added, provider: new}, {name: same, provider: spare},\n"
    "  {name: small, provider: spare, input_price: 2}]\n"
    "default_provider: new\n"
    "memory: {embedding_model: new/vectors}\n";

static void begin(void)
{
    struct config *config = load(first);

    buf_init(&changed, 0);
    cr_assert_eq(provider_registry_new(config, &registry, &err), 0, "%s", err.text);
    provider_registry_own(registry, config);
}

static void end(void)
{
    provider_registry_freep(&registry);
    buf_deinit(&changed);
}

TestSuite(registry_reload, .init = begin, .fini = end);

static void reload(const char *text)
{
    buf_reset(&changed);
    cr_assert_eq(provider_registry_reload(&registry, load(text), &changed, &err), 0, "%s",
                 err.text);
}

static struct provider_target resolve(const struct provider_registry *of, const char *name)
{
    struct provider_target target;

    cr_assert_eq(provider_registry_resolve(of, text_of(name), &target, &err), 0, "%s", err.text);
    return target;
}

Test(registry_reload, tells_what_has_changed_by_name)
{
    reload(second);
    cr_assert_str_eq(buf_string(&changed),
                     "provider new added, provider old removed, provider spare changed, "
                     "model added added, model gone removed, model small changed, "
                     "default_provider, memory.embedding_model");
    reload(second);
    cr_assert_str_eq(buf_string(&changed), "");
}

Test(registry_reload, who_holds_the_old_one_keeps_what_it_began_with)
{
    struct provider_registry *held = provider_registry_hold(registry);
    struct provider_target before = resolve(held, "small");
    struct provider_target after;

    reload(second);
    after = resolve(registry, "small");
    cr_assert_neq(held, registry);
    cr_assert_str_eq(before.base_url, "http://one/v1");
    cr_assert_str_eq(before.api_key, "k1");
    cr_assert_eq(before.prices.input, 1);
    cr_assert_str_eq(resolve(held, "gone").base_url, "http://old/v1");
    cr_assert_str_eq(after.base_url, "http://two/v1");
    cr_assert_str_eq(after.api_key, "k2");
    cr_assert_eq(after.prices.input, 2);
    cr_assert_neq(strcmp(before.keys[0].id, after.keys[0].id), 0);
    provider_registry_free(held);
}

Test(registry_reload, following_goes_over_to_the_present_one_and_says_so)
{
    struct provider_registry *held = NULL;

    cr_assert(provider_registry_follow(&held, registry));
    cr_assert(!provider_registry_follow(&held, registry));
    reload(second);
    cr_assert_str_eq(resolve(held, "small").base_url, "http://one/v1");
    cr_assert(provider_registry_follow(&held, registry));
    cr_assert_str_eq(resolve(held, "small").base_url, "http://two/v1");
    provider_registry_free(held);
}

Test(registry_reload, one_that_can_not_be_served_changes_nothing)
{
    static const char *const wrong[] = {
        "providers: [{name: spare, base_url: 'http://x', kind: morse}]\n",
        "default_provider: nobody\n",
    };
    const struct provider_registry *before = registry;

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct config *config = load(wrong[i]);

        cr_assert_eq(provider_registry_reload(&registry, config, &changed, &err), -E_INVALID);
        config_free(config);
        cr_assert_eq(registry, before);
        cr_assert_eq(changed.len, 0);
    }
    cr_assert_str_eq(resolve(registry, "small").base_url, "http://one/v1");
}

/* What a leak checker looks at: each generation has users that end in another order. */
Test(registry_reload, a_thousand_times_with_users_of_several_generations)
{
    enum { USERS = 7 };
    struct provider_registry *held[USERS] = {NULL};
    struct provider_target targets[USERS];

    for (int i = 0; i < 1000; i++) {
        int at = i * 5 % USERS;

        reload(i % 2 ? first : second);
        (void)provider_registry_follow(&held[at], registry);
        targets[at] = resolve(held[at], "small");
        for (int user = 0; user < USERS; user++)
            if (held[user])
                cr_assert_eq(strncmp(targets[user].base_url, "http://", 7), 0);
    }
    for (int user = 0; user < USERS; user++)
        provider_registry_free(held[user]);
}

Test(registry_reload, long_lists_in_another_order_are_the_same)
{
    CLEANUP(buf_deinit) struct buf text = {0};

    buf_init(&text, 0);
    buf_add_string(&text, "models:\n");
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "- {name: m%d, provider: ollama}\n", i * 7919 % 1000);
    reload(buf_string(&text));
    buf_reset(&text);
    buf_add_string(&text, "models:\n");
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "- {name: m%d, provider: ollama}\n", i);
    reload(buf_string(&text));
    cr_assert_str_eq(buf_string(&changed), "");
}
