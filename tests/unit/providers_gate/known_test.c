/* What a worker knows of models: by which names, and for how long keys are left out. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "providers/gate/known.h"
#include "shared/base/clock.h"

static void names_differ(const char *provider, const char *model, const char *other_provider,
                         const char *other_model)
{
    struct provider_target target = {.provider_name = provider};
    char name[KNOWN_NAME_SIZE];
    char other[KNOWN_NAME_SIZE];

    (void)snprintf(target.model, sizeof(target.model), "%s", model);
    known_name(&target, "0123456789ab", name);
    target.provider_name = other_provider;
    (void)snprintf(target.model, sizeof(target.model), "%s", other_model);
    known_name(&target, "0123456789ab", other);
    cr_assert_str_neq(name, other);
    (void)snprintf(target.model, sizeof(target.model), "%s", model);
    target.provider_name = provider;
    known_name(&target, "0123456789ab", other);
    cr_assert_str_eq(name, other);
}

Test(known, no_two_models_have_the_same_name)
{
    char name[PROVIDER_MODEL_SIZE];
    char other[PROVIDER_MODEL_SIZE];
    struct provider_target target = {.provider_name = "p"};
    char known[KNOWN_NAME_SIZE];

    memset(name, 'm', sizeof(name));
    memset(other, 'm', sizeof(other));
    name[255] = other[255] = '\0';
    other[254] = 'n';
    names_differ("p", name, "p", other);
    names_differ("p", "m", "q", "m");
    name[60] = '\0';
    other[60] = '\0';
    other[59] = 'n';
    names_differ(name, "m", other, "m");
    names_differ("p", "m", "p:0123456789ab", "m");
    names_differ("p", "0123456789ab:m", "p:0123456789ab", "m");
    /* A shortened name is no other model's. */
    memset(target.model, 'm', 200);
    known_name(&target, "0123456789ab", known);
    names_differ("p", target.model, "p", strrchr(known, ':') + 1);
    /* Those of the providers themselves, of whom calls at once are counted. */
    names_differ("a", "m", "a:b", "m");
}

Test(known, a_key_that_is_refused_again_and_again_is_left_out_for_longer_each_time)
{
    struct known known = {.put_out = 0};
    int64_t last_ms = 0;
    int64_t for_ms;

    cr_assert_eq(known_put_out(&known, true), 60000);
    cr_assert_eq(known_put_out(&known, true), 120000);
    for (int i = 0; i < 100; i++) {
        for_ms = known_put_out(&known, true);
        cr_assert_geq(for_ms, last_ms);
        last_ms = for_ms;
    }
    cr_assert_eq(last_ms, 3600000);
    cr_assert_gt(known.out_until_ms, clock_ms() + 3590000);
    known.put_out = 0; /* it was answered */
    cr_assert_eq(known_put_out(&known, false), 300000);
}
