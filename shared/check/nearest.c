/* The nearest word, by edit distance. */

#include "shared/check/nearest.h"

#include <stdbool.h>
#include <string.h>

#define WORD_MAX 40

/* Edit distance with adjacent swaps counted once (Damerau's restricted form). */
static unsigned distance(const char *a, const char *b)
{
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    unsigned table[WORD_MAX + 1][WORD_MAX + 1];

    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return WORD_MAX;
    for (size_t i = 0; i <= a_len; i++) {
        for (size_t j = 0; j <= b_len; j++) {
            unsigned best;

            if (i == 0 || j == 0) {
                table[i][j] = (unsigned)(i + j);
                continue;
            }
            best = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (table[i - 1][j] + 1 < best)
                best = table[i - 1][j] + 1;
            if (table[i][j - 1] + 1 < best)
                best = table[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                table[i - 2][j - 2] + 1 < best)
                best = table[i - 2][j - 2] + 1;
            table[i][j] = best;
        }
    }
    return table[a_len][b_len];
}

const char *nearest_word(const char *word, const char *const *words, size_t count)
{
    size_t len = strlen(word);
    unsigned nearest = len <= 3 ? 1 : 2;
    const char *found = NULL;

    for (size_t i = 0; i < count; i++) {
        unsigned d = distance(word, words[i]);

        if (len >= 3 && strncmp(words[i], word, len) == 0)
            d = 1; /* the beginning of it */
        if (d <= nearest && (!found || d < nearest)) {
            found = words[i];
            nearest = d;
        }
    }
    return found;
}
