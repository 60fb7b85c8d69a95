/* Estimates for tests/bench/tokens.mjs. Reads samples, each the number of its bytes, a line feed
 * and the bytes, and prints a line for each: its estimates by o200k_base and by cl100k_base.
 *
 *     tokens_estimate --pace FILE    nanoseconds a byte instead: the best of a hundred passes */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/text/tokens.h"

#define PASSES    100
#define PACE_SIZE ((size_t)4 << 20)

static int pace(const char *path)
{
    FILE *in = fopen(path, "r");
    char *bytes = xmalloc(PACE_SIZE);
    struct text text = {bytes, in ? fread(bytes, 1, PACE_SIZE, in) : 0};
    int64_t best = INT64_MAX;

    for (int i = 0; text.len > 0 && i < PASSES; i++) {
        int64_t start = clock_us();
        int64_t tokens = tokens_estimate(text, TOKENS_O200K);
        int64_t took = clock_us() - start;

        best = tokens > 0 && took < best ? took : best;
    }
    if (text.len > 0)
        printf("%.3f\n", (double)best * 1000 / (double)text.len);
    if (in)
        fclose(in);
    free(bytes);
    return text.len > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    size_t len;

    if (argc == 3)
        return pace(argv[2]);
    while (scanf("%zu%*c", &len) == 1) {
        char *bytes = xmalloc(len + 1);
        struct text text = {bytes, fread(bytes, 1, len, stdin)};

        printf("%" PRId64 " %" PRId64 "\n", tokens_estimate(text, TOKENS_O200K),
               tokens_estimate(text, TOKENS_CL100K));
        free(bytes);
    }
    return 0;
}
