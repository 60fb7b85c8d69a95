/* Digests: the examples of the RFCs, whole and byte for byte. */

#include <criterion/criterion.h>
#include <string.h>

#include "shared/base/digest.h"

static void gives(enum digest_method method, size_t len, const char *bytes, const char *expected)
{
    for (size_t step = 1; step <= 3; step++) {
        struct digest *digest = digest_new(method);
        struct text text = text_of(bytes);
        uint8_t out[DIGEST_BYTES_MAX];
        char hex[2 * DIGEST_BYTES_MAX + 1];

        for (size_t at = 0; at < text.len; at += step)
            digest_add(digest,
                       (struct text){text.ptr + at, text.len - at < step ? text.len - at : step});
        digest_end(digest, out);
        digest_free(digest);
        *text_put_hex(hex, out, len) = '\0';
        cr_assert_str_eq(hex, expected);
    }
}

Test(digest, the_examples_come_out_whatever_the_pieces_are)
{
    gives(DIGEST_SHA256, SHA256_BYTES, "",
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    gives(DIGEST_SHA256, SHA256_BYTES, "abc",
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    gives(DIGEST_MD5, MD5_BYTES, "", "d41d8cd98f00b204e9800998ecf8427e");
    gives(DIGEST_MD5, MD5_BYTES, "message digest", "f96b697d7cb7938d525a2f31aaf161d0");
    digest_free(NULL);
}

/* RFC 4231, section 4.3. */
Test(digest, a_message_is_authenticated_as_the_rfc_has_it)
{
    uint8_t out[SHA256_BYTES];
    char hex[SHA256_TEXT_SIZE];

    hmac_sha256(TEXT("Jefe"), TEXT("what do ya want for nothing?"), out);
    *text_put_hex(hex, out, sizeof(out)) = '\0';
    cr_assert_str_eq(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}
