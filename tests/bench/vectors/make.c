/* What the vector of a text costs (docs/performance.md): reads a text, and makes vectors of
 * pieces of it of several lengths.
 *
 *     cat FILES | build/release/bin/vectors_make
 */

#include <stdio.h>
#include <time.h>

#include "shared/base/utf8.h"
#include "shared/embed/embedder.h"
#include "shared/embed/words.h"

static double cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

int main(void)
{
    static char bytes[4 << 20];
    static const size_t sizes[] = {100, 1000, 10000, WORDS_TEXT_MAX};
    struct text all = {bytes, fread(bytes, 1, sizeof(bytes), stdin)};

    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        struct text rest = all;
        double begin_us = cpu_us();
        size_t count = 0;

        for (; rest.len > sizes[i]; count++) {
            size_t size = utf8_prefix(rest.ptr, rest.len, sizes[i]);
            struct embedder embedder = {0};
            float vector[EMBEDDER_DIMENSIONS];

            if (embedder_add(&embedder, (struct text){rest.ptr, size}) < 0)
                return 1;
            embedder_finish(&embedder, vector);
            rest = (struct text){rest.ptr + size, rest.len - size};
        }
        printf("%zu bytes: %.1f us of CPU a vector, of %zu\n", sizes[i],
               (cpu_us() - begin_us) / (double)count, count);
    }
    return 0;
}
