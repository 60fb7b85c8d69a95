/* Master keys, and what is said of wrong ones. */

#include "shared/secrets/key_ring.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/error.h"

#define ONE   "0101010101010101010101010101010101010101010101010101010101010101"
#define TWO   "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define THREE "0303030303030303030303030303030303030303030303030303030303030303"

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    cr_assert(file);
    cr_assert(fputs(text, file) >= 0);
    cr_assert_eq(fclose(file), 0);
}

static char *file_with(const char *text)
{
    static char path[] = "/tmp/penstock-keys-XXXXXX";
    int fd = mkstemp(path);

    cr_assert(fd >= 0);
    close(fd);
    write_file(path, text);
    return path;
}

static const char *complaint(const char *keys, const char *file)
{
    static struct error err;
    struct key_ring *ring = NULL;

    cr_assert_eq(key_ring_open(keys, file, &ring, &err), -E_INVALID);
    cr_assert_null(ring);
    return err.text;
}

Test(key_ring, the_first_key_seals_and_all_are_found_by_their_ids)
{
    struct key_ring *ring;
    struct error err;
    char first[KEY_ID_SIZE];
    char second[KEY_ID_SIZE];

    cr_assert_eq(key_ring_open(" " ONE ",\n" TWO "\n", "", &ring, &err), 0, "%s", err.text);
    memcpy(first, key_ring_current(ring)->id, KEY_ID_SIZE);
    cr_assert_eq(key_ring_current(ring)->bytes[31], 1);
    key_ring_free(ring);
    cr_assert_eq(key_ring_open(TWO, NULL, &ring, &err), 0);
    memcpy(second, key_ring_current(ring)->id, KEY_ID_SIZE);
    cr_assert_str_neq(first, second);
    cr_assert_null(key_ring_find(ring, text_of(first)));
    key_ring_free(ring);
    cr_assert_eq(key_ring_open(ONE " " TWO, NULL, &ring, &err), 0);
    cr_assert_eq(key_ring_find(ring, text_of(second))->bytes[0], 2);
    cr_assert_eq(key_ring_find(ring, text_of(first)), key_ring_current(ring));
    key_ring_free(ring);
}

Test(key_ring, without_keys_there_is_none)
{
    struct key_ring *ring;
    struct error err;

    cr_assert_eq(key_ring_open("", "", &ring, &err), 0);
    cr_assert_null(key_ring_current(ring));
    cr_assert_null(key_ring_find(ring, TEXT("0011223344556677")));
    key_ring_free(ring);
}

Test(key_ring, what_is_no_key_is_refused_without_being_repeated)
{
    const char *wrong[] = {"hunter2-hunter2-hunter2", ONE "0", "0101", ONE "," ONE "zz",
                           "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI!"};

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        const char *said = complaint(wrong[i], NULL);

        cr_assert(strstr(said, "openssl rand -base64 32"), "%s", said);
        cr_assert_null(strstr(said, "hunter2"));
        cr_assert_null(strstr(said, "0101"));
    }
    cr_assert_str_eq(complaint(ONE, "/dev/null"),
                     "the master key is said twice: as itself and by a file");
    cr_assert(strstr(complaint("", "/dev/null"), "holds no key"));
    cr_assert(strstr(complaint("", "/nowhere/at/all"), "can't be read"));
}

Test(key_ring, a_file_is_read_again_when_a_key_is_not_known)
{
    char *path = file_with("# ours\n" ONE "\n");
    struct key_ring *ring;
    struct key_ring *other;
    struct error err;

    cr_assert_eq(key_ring_open(NULL, path, &ring, &err), 0, "%s", err.text);
    cr_assert_eq(key_ring_open(THREE, NULL, &other, &err), 0);
    cr_assert_null(key_ring_find(ring, text_of(key_ring_current(other)->id)));
    write_file(path, THREE "\n" ONE "\n");
    cr_assert_eq(key_ring_find(ring, text_of(key_ring_current(other)->id))->bytes[0], 3);
    cr_assert_eq(key_ring_current(ring)->bytes[0], 3);
    write_file(path, "not a key");
    key_ring_refresh(ring);
    cr_assert_eq(key_ring_current(ring)->bytes[0], 3, "a file that is wrong changes nothing");
    unlink(path);
    key_ring_refresh(ring);
    cr_assert_eq(key_ring_current(ring)->bytes[0], 3);
    key_ring_free(ring);
    key_ring_free(other);
}
