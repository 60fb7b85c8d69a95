/* Tests of tickets: they are good once, for a short while, and for what they were made for. */

#include "fixture.h"

#include "shared/store/access/tickets.h"

static struct api_key must_key(const struct store *store)
{
    char text[KEY_TEXT_SIZE];
    struct api_key key;

    MUST(keys_create(store, TEXT("k"), &key, text, &test_err));
    return key;
}

static void takes_once(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct api_key key = must_key(store);
    char ticket[TICKET_TEXT_SIZE];
    char other[TICKET_TEXT_SIZE];
    struct ticket_holder holder;
    int64_t expires_at;

    MUST(tickets_create(store, key.id, thread, ticket, &expires_at, &test_err));
    MUST(tickets_create(store, key.id, (struct uuid){{0}}, other, &expires_at, &test_err));
    cr_expect_eq(strlen(ticket), TICKET_TEXT_SIZE - 1);
    cr_expect_str_neq(ticket, other);
    cr_expect_leq(expires_at, sql_int("SELECT ceil(date_part('epoch', now()))::int8") + 30);
    cr_expect_geq(expires_at, sql_int("SELECT floor(date_part('epoch', now()))::int8") + 20);
    cr_expect_eq(sql_int("SELECT count(*) FROM tickets WHERE position('%s'::bytea IN hash) > 0"
                         " OR hash = '%s'::bytea",
                         ticket, ticket),
                 0);
    MUST(tickets_take(store->pg, text_of(ticket), &holder, &test_err));
    cr_expect(uuid_equal(holder.tenant, store->tenant));
    cr_expect(uuid_equal(holder.key, key.id));
    cr_expect(uuid_equal(holder.thread, thread));
    GIVES(TICKET_MISSING, tickets_take(store->pg, text_of(ticket), &holder, &test_err));
    MUST(tickets_take(store->pg, text_of(other), &holder, &test_err));
    cr_expect(uuid_is_zero(holder.thread));
}

Test(tickets, are_good_once_and_tell_whose_they_are)
{
    with_store(takes_once);
}

static void ends(struct store *store)
{
    struct api_key key = must_key(store);
    const struct uuid any = {{0}};
    char ticket[TICKET_TEXT_SIZE];
    struct ticket_holder holder;
    int64_t expires_at;

    MUST(tickets_create(store, key.id, any, ticket, &expires_at, &test_err));
    sql_do("UPDATE tickets SET expires_at = now()");
    GIVES(TICKET_MISSING, tickets_take(store->pg, text_of(ticket), &holder, &test_err));
    MUST(tickets_create(store, key.id, any, ticket, &expires_at, &test_err));
    MUST(keys_revoke(store, key.id, &test_err));
    GIVES(TICKET_MISSING, tickets_take(store->pg, text_of(ticket), &holder, &test_err));
    GIVES(TICKET_MISSING, tickets_take(store->pg, TEXT(""), &holder, &test_err));
    GIVES(TICKET_MISSING, tickets_take(store->pg, TEXT("short"), &holder, &test_err));
}

Test(tickets, end_with_their_time_and_with_their_key)
{
    with_store(ends);
}

static void stay_at_home(struct store *store)
{
    struct store other = other_tenant(store, "other");
    struct api_key key = must_key(&other);
    char ticket[TICKET_TEXT_SIZE];
    int64_t expires_at;

    GIVES(THREAD_MISSING,
          tickets_create(&other, key.id, must_thread(store), ticket, &expires_at, &test_err));
    GIVES(THREAD_MISSING,
          tickets_create(store, key.id, uuid_new(), ticket, &expires_at, &test_err));
}

Test(tickets, are_for_threads_of_their_tenant)
{
    with_store(stay_at_home);
}

static void keys_end(struct store *store)
{
    struct uuid keys[3] = {must_key(store).id, must_key(store).id, uuid_new()};
    size_t over[3];
    size_t count;

    MUST(keys_over(store->pg, keys, 3, over, &count, &test_err));
    cr_assert_eq(count, 1);
    cr_expect_eq(over[0], 2);
    MUST(keys_revoke(store, keys[0], &test_err));
    MUST(keys_over(store->pg, keys, 3, over, &count, &test_err));
    cr_expect_eq(count, 2);
}

Test(tickets, keys_that_are_over_are_found)
{
    with_store(keys_end);
}
