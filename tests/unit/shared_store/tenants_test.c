/* Tests of tenants and API keys. */

#include "fixture.h"

static void finds_tenants(struct store *store)
{
    const struct tenant_change change = {0};
    struct tenant tenant;
    struct tenant_list list;

    MUST(tenants_create(store, TEXT("globex"), &change, &tenant, &test_err));
    GIVES(TENANT_EXISTS, tenants_create(store, TEXT("globex"), &change, &tenant, &test_err));
    GIVES(-E_INVALID, tenants_create(store, TEXT("two words"), &change, &tenant, &test_err));
    GIVES(-E_INVALID, tenants_create(store, TEXT(""), &change, &tenant, &test_err));
    MUST(tenants_find(store, TEXT("acme"), &tenant, &test_err));
    cr_assert(uuid_equal(tenant.id, store->tenant));
    cr_assert(text_is(tenant.name, "acme"));
    cr_assert(tenant.created_at > 1500000000);
    GIVES(TENANT_MISSING, tenants_find(store, TEXT("initech"), &tenant, &test_err));
    MUST(tenants_list(store, &list, &test_err));
    cr_assert_eq(list.count, 2);
    cr_assert(text_is(list.items[0].name, "acme"));
    cr_assert(text_is(list.items[1].name, "globex"));
}

Test(tenants, are_created_once_found_by_name_and_listed)
{
    with_store(finds_tenants);
}

static void sets_shares(struct store *store)
{
    struct tenant_change change = {.weight = 5};
    struct tenant tenant;

    MUST(tenants_find(store, TEXT("acme"), &tenant, &test_err));
    cr_assert_eq(tenant.weight, 1);
    cr_assert_eq(tenant.max_running, 0);
    MUST(tenants_set(store, TEXT("acme"), &change, &tenant, &test_err));
    change = (struct tenant_change){.max_running = 7};
    MUST(tenants_set(store, TEXT("acme"), &change, &tenant, &test_err));
    cr_assert_eq(tenant.weight, 5, "what is not given stays");
    cr_assert_eq(tenant.max_running, 7);
    change.max_running = TENANT_UNLIMITED;
    MUST(tenants_set(store, TEXT("acme"), &change, &tenant, &test_err));
    cr_assert_eq(tenant.max_running, 0);
    GIVES(TENANT_MISSING, tenants_set(store, TEXT("none"), &change, &tenant, &test_err));
    change = (struct tenant_change){.weight = TENANT_WEIGHT_MAX + 1};
    GIVES(-E_INVALID, tenants_set(store, TEXT("acme"), &change, &tenant, &test_err));
    change = (struct tenant_change){.max_running = -2};
    GIVES(-E_INVALID, tenants_set(store, TEXT("acme"), &change, &tenant, &test_err));
}

Test(tenants, have_a_share_and_a_limit)
{
    with_store(sets_shares);
}

static void creates_with_shares(struct store *store)
{
    struct tenant_change change = {.weight = 3, .max_running = 5};
    struct tenant tenant;

    MUST(tenants_create(store, TEXT("globex"), &change, &tenant, &test_err));
    cr_assert_eq(tenant.weight, 3);
    cr_assert_eq(tenant.max_running, 5);
    change = (struct tenant_change){.weight = 9, .max_running = TENANT_UNLIMITED};
    GIVES(TENANT_EXISTS, tenants_create(store, TEXT("globex"), &change, &tenant, &test_err));
    MUST(tenants_find(store, TEXT("globex"), &tenant, &test_err));
    cr_assert_eq(tenant.weight, 3, "nothing was changed");
    cr_assert_eq(tenant.max_running, 5);
    MUST(tenants_create(store, TEXT("hooli"), &change, &tenant, &test_err));
    cr_assert_eq(tenant.max_running, 0);
    change = (struct tenant_change){.weight = TENANT_WEIGHT_MAX + 1};
    GIVES(-E_INVALID, tenants_create(store, TEXT("initech"), &change, &tenant, &test_err));
    GIVES(TENANT_MISSING, tenants_find(store, TEXT("initech"), &tenant, &test_err));
}

Test(tenants, are_created_with_their_share_and_limit_at_once)
{
    with_store(creates_with_shares);
}

static void makes_keys(struct store *store)
{
    char text[KEY_TEXT_SIZE];
    char second[KEY_TEXT_SIZE];
    struct api_key key;
    struct api_key who;
    struct api_key_list list;
    struct store nobody = *store;

    MUST(keys_create(store, TEXT("backend"), &key, text, &test_err));
    MUST(keys_create(store, TEXT("other"), &who, second, &test_err));
    cr_assert_eq(strlen(text), 46);
    cr_assert_eq(strncmp(text, "pk_", 3), 0);
    cr_assert_eq(
        strspn(text + 3, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 43);
    cr_assert_str_neq(text, second);
    cr_assert(text_starts(text_of(text), "pk_"));
    cr_assert_eq(memcmp(key.prefix.ptr, text, 12), 0);
    cr_assert_eq(key.last_used_at, 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM api_keys k WHERE k::text LIKE '%%%s%%'", text), 0);

    MUST(keys_authenticate(store->pg, text_of(text), &who, &test_err));
    cr_assert(uuid_equal(who.tenant_id, store->tenant));
    cr_assert(uuid_equal(who.id, key.id));
    cr_assert(who.rates.requests_per_minute == 0 && who.rates.tokens_per_minute == 0);
    sql_do("UPDATE tenants SET requests_per_minute = 7, tokens_per_minute = 70 WHERE id = '%s'",
           show(store->tenant));
    MUST(keys_authenticate(store->pg, text_of(text), &who, &test_err));
    cr_assert(who.rates.requests_per_minute == 7 && who.rates.tokens_per_minute == 70);
    MUST(keys_list(store, &list, &test_err));
    cr_assert_eq(list.count, 2);
    cr_assert(text_is(list.items[0].name, "backend"));
    cr_assert(list.items[0].last_used_at > 0);
    cr_assert_eq(list.items[1].last_used_at, 0);

    nobody.tenant = uuid_new();
    GIVES(TENANT_MISSING, keys_create(&nobody, TEXT("k"), &key, text, &test_err));
    GIVES(-E_INVALID, keys_create(store, TEXT(""), &key, text, &test_err));
}

Test(keys, are_random_shown_once_and_authenticate_their_tenant)
{
    with_store(makes_keys);
}

static void revokes_keys(struct store *store)
{
    struct store other = other_tenant(store, "globex");
    char text[KEY_TEXT_SIZE];
    struct api_key key;
    struct api_key who;

    MUST(keys_create(store, TEXT("k"), &key, text, &test_err));
    GIVES(KEY_MISSING, keys_revoke(&other, key.id, &test_err));
    MUST(keys_authenticate(store->pg, text_of(text), &who, &test_err));
    MUST(keys_revoke(store, key.id, &test_err));
    MUST(keys_revoke(store, key.id, &test_err));
    GIVES(KEY_MISSING, keys_authenticate(store->pg, text_of(text), &who, &test_err));
    GIVES(KEY_MISSING, keys_revoke(store, uuid_new(), &test_err));
}

Test(keys, no_longer_authenticate_once_revoked)
{
    with_store(revokes_keys);
}

static void refuses_strange_keys(struct store *store)
{
    struct api_key who;

    GIVES(KEY_MISSING, keys_authenticate(store->pg, TEXT_NONE, &who, &test_err));
    GIVES(KEY_MISSING, keys_authenticate(store->pg, TEXT("pk_short"), &who, &test_err));
    GIVES(KEY_MISSING,
          keys_authenticate(store->pg, TEXT("pk_0123456789012345678901234567890123456789012"), &who,
                            &test_err));
    GIVES(KEY_MISSING,
          keys_authenticate(store->pg, TEXT("sk_0123456789012345678901234567890123456789012"), &who,
                            &test_err));
}

Test(keys, of_any_other_form_are_missing)
{
    with_store(refuses_strange_keys);
}

static void notes_use_once_a_minute(struct store *store)
{
    char text[KEY_TEXT_SIZE];
    struct api_key key;

    MUST(keys_create(store, TEXT("k"), &key, text, &test_err));
    MUST(keys_authenticate(store->pg, text_of(text), &key, &test_err));
    sql_do("UPDATE api_keys SET last_used_at = now() - interval '30 s'");
    MUST(keys_authenticate(store->pg, text_of(text), &key, &test_err));
    cr_assert_eq(
        sql_int("SELECT count(*) FROM api_keys WHERE last_used_at < now() - interval '29 s'"), 1);
    sql_do("UPDATE api_keys SET last_used_at = now() - interval '61 s'");
    MUST(keys_authenticate(store->pg, text_of(text), &key, &test_err));
    cr_assert_eq(
        sql_int("SELECT count(*) FROM api_keys WHERE last_used_at < now() - interval '29 s'"), 0);
}

Test(keys, note_their_last_use_at_most_once_a_minute)
{
    with_store(notes_use_once_a_minute);
}
