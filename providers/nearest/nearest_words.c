#include "providers/nearest/nearest_words.h"

#include <string.h>

#include "shared/embed/words.h"

struct noting {
    uint64_t thread[2];
    int64_t *out;
    size_t most;
    size_t count;
};

static uint64_t mix(uint64_t bits)
{
    bits ^= bits >> 32;
    bits *= 0xd6e8feb86659fd93U;
    bits ^= bits >> 32;
    return bits;
}

static void note(void *arg, const struct word *word)
{
    struct noting *noting = arg;
    uint64_t bits;

    if (word->common || noting->count == noting->most)
        return;
    bits = mix(mix(text_hash(word->stem) ^ noting->thread[0]) ^ noting->thread[1]);
    for (size_t i = 0; i < noting->count; i++)
        if (noting->out[i] == (int64_t)bits)
            return;
    noting->out[noting->count++] = (int64_t)bits;
}

size_t nearest_words(struct text text, struct uuid thread, int64_t *out, size_t most)
{
    struct noting noting = {.out = out, .most = most};
    struct text piece = {text.ptr, words_piece(text)};

    memcpy(noting.thread, thread.bytes, sizeof(noting.thread));
    if (piece.len == 0 || words_each(piece, note, &noting) < 0)
        return 0;
    return noting.count;
}
