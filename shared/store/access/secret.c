/* Random bytes as text. */

#include "shared/store/access/secret.h"

#include "shared/base/id.h"

enum { RANDOM_BYTES = 32 };

void secret_new(char out[SECRET_CHARS + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t bytes[RANDOM_BYTES + 1] = {0};
    size_t at = 0;

    random_bytes(bytes, RANDOM_BYTES);
    for (size_t i = 0; i < RANDOM_BYTES; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];

        for (int shift = 18; shift >= 0 && at < SECRET_CHARS; shift -= 6)
            out[at++] = digits[group >> shift & 63];
    }
    out[at] = '\0';
    ASSERT(at == SECRET_CHARS);
}
