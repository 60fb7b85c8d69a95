/* Sentences in form. */

#include "shared/recall/memory_text.h"

#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/embed/words.h"

#define WORDS_MAX ((size_t)MEMORY_TEXT_MAX) /* of stems: some characters unfold to many */

/* Characters that change how others are shown, and are not seen themselves; but for joiners, which
 * letters of some scripts need. */
static bool is_hidden(ucs4_t c)
{
    return c == 0xAD || c == 0x61C || c == 0x180E || c == 0x200B || c == 0x200E || c == 0x200F ||
           (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
           (c >= 0xFFF0 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE0FFF);
}

static bool is_blank(ucs4_t c)
{
    return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Z | UC_CATEGORY_MASK_Cc);
}

/* Into `to`, which has room for said.len bytes. Returns the bytes that are left. */
static size_t clean(struct text said, char *to)
{
    bool blank = false;
    size_t len = 0;
    ucs4_t c;

    for (size_t i = 0; i < said.len;) {
        const uint8_t *at = (const uint8_t *)said.ptr + i;
        size_t size = (size_t)u8_mbtouc_unsafe(&c, at, said.len - i);

        i += size;
        if (is_hidden(c))
            continue;
        if (is_blank(c)) {
            blank = len > 0;
            continue;
        }
        if (blank)
            to[len++] = ' ';
        blank = false;
        memcpy(to + len, at, size);
        len += size;
    }
    return len;
}

static bool says_something(struct text text)
{
    ucs4_t c;

    for (size_t i = 0; i < text.len;) {
        i += (size_t)u8_mbtouc_unsafe(&c, (const uint8_t *)text.ptr + i, text.len - i);
        if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N |
                                                    UC_CATEGORY_MASK_S))
            return true;
    }
    return false;
}

/* Without signs at its end. */
static size_t without_end(const uint8_t *text, size_t len)
{
    ucs4_t c;

    while (len > 0) {
        const uint8_t *last = u8_prev(&c, text + len, text);

        if (!last || !(uc_is_general_category_withtable(c, UC_CATEGORY_MASK_P) || c == ' '))
            break;
        len = (size_t)(last - text);
    }
    return len;
}

static void hash(struct text text, uint8_t out[SHA256_BYTES])
{
    size_t len = 0;
    uint8_t *folded =
        u8_casefold((const uint8_t *)text.ptr, text.len, NULL, UNINORM_NFKC, NULL, &len);

    if (!folded)
        abort(); /* out of memory */
    sha256((struct text){(const char *)folded, without_end(folded, len)}, out);
    free(folded);
}

static void add_word(void *arg, const struct word *word)
{
    struct buf *words = arg;

    if (word->common || words->len + word->stem.len >= WORDS_MAX)
        return;
    if (words->len > 0)
        buf_add_char(words, ' ');
    buf_add_text(words, word->stem);
}

int memory_words(struct arena *arena, struct text text, struct text *out)
{
    CLEANUP(buf_deinit) struct buf words;
    char *copy;
    int r;

    buf_init(&words, WORDS_MAX);
    r = words_each(text, add_word, &words);
    if (r < 0)
        return r;
    copy = arena_copy(arena, buf_text(&words));
    if (!copy)
        return -E_LIMIT;
    *out = (struct text){copy, words.len};
    return 0;
}

int memory_text_make(struct arena *arena, struct text said, struct memory_text *out)
{
    char *bytes;
    struct text text;
    int r;

    if (!utf8_is_valid(said.ptr, said.len))
        return -E_INVALID;
    bytes = arena_alloc(arena, said.len + 1);
    if (!bytes)
        return -E_LIMIT;
    text = (struct text){bytes, clean(said, bytes)};
    if (text.len > MEMORY_TEXT_MAX)
        return MEMORY_TEXT_LONG;
    if (!says_something(text))
        return MEMORY_TEXT_EMPTY;
    r = memory_words(arena, text, &out->words);
    if (r < 0)
        return r;
    out->text = text;
    hash(text, out->sha256);
    return 0;
}
