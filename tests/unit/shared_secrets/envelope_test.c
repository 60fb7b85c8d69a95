/* Sealing: what opens, and that nothing else does. */

#include "shared/secrets/envelope.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "shared/base/error.h"

#define ONE   "0101010101010101010101010101010101010101010101010101010101010101"
#define TWO   "0202020202020202020202020202020202020202020202020202020202020202"
#define VALUE "sk-live-0123456789"

static struct key_ring *ring_of(const char *keys)
{
    struct key_ring *ring;
    struct error err;

    cr_assert_eq(key_ring_open(keys, NULL, &ring, &err), 0, "%s", err.text);
    return ring;
}

static const struct secret_place place = {{{1, 2, 3}}, {"SHOP_KEY", 8}};

static struct envelope *sealed(struct key_ring *ring)
{
    struct envelope *envelope = malloc(sizeof(*envelope));
    struct error err;

    cr_assert_eq(envelope_seal(ring, &place, TEXT(VALUE), envelope, &err), 0, "%s", err.text);
    return envelope;
}

static int opens(struct key_ring *ring, const struct secret_place *at,
                 const struct envelope *envelope)
{
    struct error err;
    struct buf value;
    int r;

    secret_buf_init(&value, SECRET_BYTES_MAX);
    r = envelope_open(ring, at, envelope, &value, &err);
    if (r == 0)
        cr_assert_str_eq(buf_string(&value), VALUE);
    else
        cr_assert_null(strstr(err.text, VALUE));
    cr_assert(r == 0 || value.len == 0);
    secret_buf_wipe(&value);
    return r;
}

Test(envelope, a_value_opens_as_it_was_sealed_and_two_of_them_look_different)
{
    struct key_ring *ring = ring_of(ONE);
    struct envelope *first = sealed(ring);
    struct envelope *second = sealed(ring);

    cr_assert_eq(opens(ring, &place, first), 0);
    cr_assert_eq(opens(ring, &place, second), 0);
    cr_assert_neq(memcmp(first->sealed, second->sealed, first->sealed_bytes), 0);
    cr_assert_neq(memcmp(first->wrapped, second->wrapped, WRAPPED_BYTES), 0);
    cr_assert_null(memmem(first->sealed, first->sealed_bytes, VALUE, strlen(VALUE)));
    free(first);
    free(second);
    key_ring_free(ring);
}

Test(envelope, each_byte_that_is_changed_is_found)
{
    struct key_ring *ring = ring_of(ONE);
    struct envelope *envelope = sealed(ring);

    for (size_t i = 0; i < WRAPPED_BYTES; i++)
        for (int bit = 0; bit < 8; bit++) {
            envelope->wrapped[i] ^= (uint8_t)(1 << bit);
            cr_assert_eq(opens(ring, &place, envelope), -E_CONTENT, "wrapped byte %zu", i);
            envelope->wrapped[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t i = 0; i < envelope->sealed_bytes; i++)
        for (int bit = 0; bit < 8; bit++) {
            envelope->sealed[i] ^= (uint8_t)(1 << bit);
            cr_assert_eq(opens(ring, &place, envelope), -E_CONTENT, "sealed byte %zu", i);
            envelope->sealed[i] ^= (uint8_t)(1 << bit);
        }
    cr_assert_eq(opens(ring, &place, envelope), 0);
    free(envelope);
    key_ring_free(ring);
}

Test(envelope, what_is_cut_opens_nowhere)
{
    struct key_ring *ring = ring_of(ONE);
    struct envelope *envelope = sealed(ring);
    size_t whole = envelope->sealed_bytes;

    for (envelope->sealed_bytes = 0; envelope->sealed_bytes < whole; envelope->sealed_bytes++)
        cr_assert_eq(opens(ring, &place, envelope), -E_CONTENT);
    free(envelope);
    key_ring_free(ring);
}

Test(envelope, a_row_that_is_copied_to_another_place_opens_nowhere)
{
    struct key_ring *ring = ring_of(ONE);
    struct envelope *envelope = sealed(ring);
    struct secret_place name = {place.tenant, TEXT("SHOP_KEX")};
    struct secret_place shorter = {place.tenant, TEXT("SHOP_KE")};
    struct secret_place tenant = {{{1, 2, 4}}, place.name};
    struct envelope *other = sealed(ring);

    cr_assert_eq(opens(ring, &name, envelope), -E_CONTENT);
    cr_assert_eq(opens(ring, &shorter, envelope), -E_CONTENT);
    cr_assert_eq(opens(ring, &tenant, envelope), -E_CONTENT);
    memcpy(envelope->wrapped, other->wrapped, WRAPPED_BYTES);
    cr_assert_eq(opens(ring, &place, envelope), -E_CONTENT, "a key of another value");
    free(envelope);
    free(other);
    key_ring_free(ring);
}

Test(envelope, a_new_master_key_takes_over_without_a_look_at_the_value)
{
    struct key_ring *old = ring_of(ONE);
    struct key_ring *both = ring_of(TWO "," ONE);
    struct key_ring *new = ring_of(TWO);
    struct envelope *envelope = sealed(old);
    struct envelope before = *envelope;
    struct error err;

    cr_assert_eq(opens(new, &place, envelope), -E_NOT_FOUND);
    cr_assert_eq(opens(both, &place, envelope), 0);
    cr_assert_eq(envelope_rewrap(both, &place, envelope, &err), 0, "%s", err.text);
    cr_assert_str_neq(envelope->key_id, before.key_id);
    cr_assert_eq(memcmp(envelope->sealed, before.sealed, before.sealed_bytes), 0);
    cr_assert_eq(opens(new, &place, envelope), 0);
    cr_assert_eq(opens(old, &place, envelope), -E_NOT_FOUND);
    *envelope = before;
    envelope->wrapped[20] ^= 1;
    cr_assert_eq(envelope_rewrap(both, &place, envelope, &err), -E_CONTENT);
    free(envelope);
    key_ring_free(old);
    key_ring_free(both);
    key_ring_free(new);
}

Test(envelope, without_a_key_nothing_is_sealed_and_values_have_their_sizes)
{
    struct key_ring *none = ring_of("");
    struct key_ring *ring = ring_of(ONE);
    struct envelope *envelope = malloc(sizeof(*envelope));
    char *large = calloc(1, SECRET_BYTES_MAX + 2);
    struct error err;

    memset(large, 'x', SECRET_BYTES_MAX + 1);
    cr_assert_eq(envelope_seal(none, &place, TEXT(VALUE), envelope, &err), -E_DENIED);
    cr_assert(strstr(err.text, "PENSTOCK_MASTER_KEY_FILE"), "%s", err.text);
    cr_assert_eq(envelope_seal(ring, &place, TEXT("seven77"), envelope, &err), -E_INVALID);
    cr_assert_eq(
        envelope_seal(ring, &place, (struct text){large, SECRET_BYTES_MAX + 1}, envelope, &err),
        -E_INVALID);
    cr_assert_eq(
        envelope_seal(ring, &place, (struct text){large, SECRET_BYTES_MAX}, envelope, &err), 0);
    free(envelope);
    free(large);
    key_ring_free(none);
    key_ring_free(ring);
}

Test(envelope, a_buf_that_is_wiped_had_room_for_all_at_once)
{
    struct buf buf;
    char *first;

    secret_buf_init(&buf, 3000);
    first = buf.ptr;
    for (int i = 0; i < 300; i++)
        buf_add_string(&buf, "0123456789");
    cr_assert_eq(buf.ptr, first, "it never moved");
    cr_assert(!buf.failed);
    buf_add_char(&buf, '!');
    cr_assert(buf.failed);
    secret_buf_wipe(&buf);
    cr_assert_null(buf.ptr);
}
