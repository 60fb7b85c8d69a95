/* A seal is 38 bytes in base64: the mark's four, two zeros, and the digest of dialect, model and
 * mark. It has no secret: it has to catch mistakes and not forgers. */

#include "providers/rehearsal/reply/seal.h"

#include <openssl/evp.h>

#include "shared/base/digest.h"

#define MARK_BYTES 4
#define ID_DIGITS  24 /* of an id before its mark */

_Static_assert(SEAL_SIZE == (MARK_BYTES + 2 + SHA256_BYTES + 2) / 3 * 4 + 1, "base64 of a seal");

void seal_mark(struct text reasoned, char out[SEAL_MARK_SIZE])
{
    uint8_t digest[SHA256_BYTES];

    sha256(reasoned, digest);
    *text_put_hex(out, digest, MARK_BYTES) = '\0';
}

static bool are_digits(struct text text, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++)
        if (text_hex_digit(text.ptr[i]) < 0)
            return false;
    return true;
}

bool seal_marked_id(struct text id, struct text *out_mark)
{
    size_t marked = 1 + SEAL_MARK_SIZE - 1;

    if (id.len < ID_DIGITS + marked || id.ptr[id.len - marked] != 'r')
        return false;
    if (!are_digits(id, id.len - marked - ID_DIGITS, ID_DIGITS) ||
        !are_digits(id, id.len - marked + 1, marked - 1))
        return false;
    *out_mark = (struct text){id.ptr + id.len - marked + 1, marked - 1};
    return true;
}

void seal_make(const char *dialect, struct text model, const char *mark, char out[SEAL_SIZE])
{
    uint8_t bytes[MARK_BYTES + 2 + SHA256_BYTES] = {0};
    CLEANUP(buf_deinit) struct buf said = {0};

    buf_init(&said, 0);
    buf_add_string(&said, dialect);
    buf_add_char(&said, '\n');
    buf_add_text(&said, model);
    buf_add_char(&said, '\n');
    buf_add_string(&said, mark);
    for (size_t i = 0; i < MARK_BYTES; i++)
        bytes[i] = (uint8_t)(text_hex_digit(mark[2 * i]) << 4 | text_hex_digit(mark[2 * i + 1]));
    sha256(buf_text(&said), bytes + MARK_BYTES + 2);
    (void)EVP_EncodeBlock((unsigned char *)out, bytes, sizeof(bytes));
}

bool seal_open(const char *dialect, struct text model, struct text seal, char out[SEAL_MARK_SIZE])
{
    uint8_t bytes[SEAL_SIZE];
    char mark[SEAL_MARK_SIZE];
    char again[SEAL_SIZE];

    if (seal.len != SEAL_SIZE - 1 ||
        EVP_DecodeBlock(bytes, (const unsigned char *)seal.ptr, (int)seal.len) < MARK_BYTES)
        return false;
    *text_put_hex(mark, bytes, MARK_BYTES) = '\0';
    seal_make(dialect, model, mark, again);
    if (!text_is(seal, again))
        return false;
    memcpy(out, mark, sizeof(mark));
    return true;
}
