/* The examples of RFC 4648, section 10, and every byte. */

#include <criterion/criterion.h>
#include <string.h>

#include "shared/text/base64.h"

static void gives(const char *bytes, const char *expected)
{
    char out[64];
    size_t len = strlen(bytes);
    char *end = base64_put(out, (const uint8_t *)bytes, len);

    cr_assert_eq((size_t)(end - out), BASE64_BYTES(len));
    *end = '\0';
    cr_assert_str_eq(out, expected);
}

Test(base64, the_examples_of_the_rfc_are_written_as_there)
{
    gives("", "");
    gives("f", "Zg==");
    gives("fo", "Zm8=");
    gives("foo", "Zm9v");
    gives("foob", "Zm9vYg==");
    gives("fooba", "Zm9vYmE=");
    gives("foobar", "Zm9vYmFy");
}

Test(base64, each_letter_is_written)
{
    uint8_t bytes[48];
    char out[65];

    for (size_t i = 0; i < 16; i++) {
        uint32_t word = (uint32_t)(4 * i) << 18 | (uint32_t)(4 * i + 1) << 12 |
                        (uint32_t)(4 * i + 2) << 6 | (uint32_t)(4 * i + 3);

        bytes[3 * i] = (uint8_t)(word >> 16);
        bytes[3 * i + 1] = (uint8_t)(word >> 8);
        bytes[3 * i + 2] = (uint8_t)word;
    }
    *base64_put(out, bytes, sizeof(bytes)) = '\0';
    cr_assert_str_eq(out, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
}

static bool reads(const char *text, const char *as)
{
    CLEANUP(buf_deinit) struct buf out;

    buf_init(&out, 0);
    return base64_read(text_of(text), &out) && text_is(buf_text(&out), as);
}

Test(base64, what_was_written_is_read)
{
    cr_assert(reads("", ""));
    cr_assert(reads("Zg==", "f"));
    cr_assert(reads("Zm8=", "fo"));
    cr_assert(reads("Zm9v", "foo"));
    cr_assert(reads("Zm9vYmE=", "fooba"));
}

Test(base64, what_is_none_is_not_read)
{
    static const char *const none[] = {
        "Z",    "Zg",   "Zg=",  "Zg==Zg==", "Z===", "====",      "=g==",
        "Zg=v", "Zh==", "Zm9=", "Zm-_",     "Zm9 ", "Zm9v\nA==", "Zm9v===="};

    for (size_t i = 0; i < ARRAY_LENGTH(none); i++) {
        CLEANUP(buf_deinit) struct buf out;

        buf_init(&out, 0);
        cr_assert_not(base64_read(text_of(none[i]), &out), "%s", none[i]);
    }
}
