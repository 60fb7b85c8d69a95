/* The words of a text. */

#include "shared/embed/words.h"

#include <libstemmer.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>
#include <uniwbrk.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/base/utf8.h"

#define WORD_BYTES_MAX 64

/* Of English, as Snowball lists them, folded and without apostrophes. Sorted. */
static const char *const common_words[] = {
    "a",      "about",    "above",   "after",      "again",   "against", "all",    "am",
    "an",     "and",      "any",     "are",        "as",      "at",      "be",     "because",
    "been",   "before",   "being",   "below",      "between", "both",    "but",    "by",
    "can",    "could",    "did",     "do",         "does",    "doing",   "down",   "during",
    "each",   "few",      "for",     "from",       "further", "had",     "has",    "have",
    "having", "he",       "her",     "here",       "hers",    "herself", "him",    "himself",
    "his",    "how",      "i",       "if",         "in",      "into",    "is",     "it",
    "its",    "itself",   "me",      "more",       "most",    "my",      "myself", "no",
    "nor",    "not",      "of",      "off",        "on",      "once",    "only",   "or",
    "other",  "ought",    "our",     "ours",       "out",     "over",    "own",    "same",
    "she",    "should",   "so",      "some",       "such",    "than",    "that",   "the",
    "their",  "theirs",   "them",    "themselves", "then",    "there",   "these",  "they",
    "this",   "those",    "through", "to",         "too",     "under",   "until",  "up",
    "very",   "was",      "we",      "were",       "what",    "when",    "where",  "which",
    "while",  "who",      "whom",    "why",        "with",    "would",   "you",    "your",
    "yours",  "yourself",
};

struct reading {
    word_fn on_word;
    void *arg;
    struct sb_stemmer *stemmer;
    char before[8]; /* the ideograph right before; empty: there is none */
};

static int compare(const void *key, const void *element)
{
    return strcmp(key, *(const char *const *)element);
}

static bool is_common(const char *word)
{
    return bsearch(word, common_words, ARRAY_LENGTH(common_words), sizeof(common_words[0]),
                   compare) != NULL;
}

/* Characters of scripts that are written without spaces. */
static bool is_unspaced(ucs4_t character)
{
    return (character >= 0x2E80 && character <= 0x9FFF) ||
           (character >= 0xF900 && character <= 0xFAFF) ||
           (character >= 0x20000 && character <= 0x3FFFF);
}

static bool says_something(ucs4_t character)
{
    return uc_is_general_category_withtable(character, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N);
}

/* Without the marks that decomposition has parted from their letters. Returns the bytes left. */
static size_t drop_marks(uint8_t *bytes, size_t len)
{
    size_t kept = 0;
    ucs4_t character;

    for (size_t i = 0; i < len;) {
        size_t size = (size_t)u8_mbtouc_unsafe(&character, bytes + i, len - i);

        if (!uc_is_general_category_withtable(character, UC_CATEGORY_MASK_M)) {
            memmove(bytes + kept, bytes + i, size);
            kept += size;
        }
        i += size;
    }
    return kept;
}

/* Each ideograph with the one before it; one that stands alone is a word of its own. */
static void tell_ideograph(struct reading *reading, const char *bytes, size_t size, bool last)
{
    char pair[16];
    struct word word = {.pair = true};
    size_t before = strlen(reading->before);

    memcpy(pair, reading->before, before);
    memcpy(pair + before, bytes, size);
    word.folded = word.stem = (struct text){pair, before + size};
    if (before > 0 || last)
        reading->on_word(reading->arg, &word);
    memcpy(reading->before, bytes, size);
    reading->before[size] = '\0';
}

static bool is_latin(const char *word)
{
    for (; *word; word++)
        if (*word < 'a' || *word > 'z')
            return false;
    return true;
}

/* Without what hangs on an apostrophe: "lena's" is lena, and "l'homme" is homme. */
static struct text without_apostrophes(struct text word)
{
    static const char *const apostrophes[] = {"'", "\u2019"};

    for (size_t i = 0; i < ARRAY_LENGTH(apostrophes); i++) {
        size_t len = strlen(apostrophes[i]);
        const char *at;

        while ((at = memmem(word.ptr, word.len, apostrophes[i], len))) {
            size_t before = (size_t)(at - word.ptr);
            size_t after = word.len - before - len;

            word =
                after <= before ? (struct text){word.ptr, before} : (struct text){at + len, after};
        }
    }
    return word;
}

static void tell_word(struct reading *reading, struct text said)
{
    struct text bare = without_apostrophes(said);
    char folded[WORD_BYTES_MAX + 1];
    const char *bytes = bare.ptr;
    size_t size = bare.len;
    struct word word;

    if (size == 0)
        return;
    if (size > WORD_BYTES_MAX)
        size = utf8_prefix(bytes, size, WORD_BYTES_MAX);
    memcpy(folded, bytes, size);
    folded[size] = '\0';
    word.folded = word.stem = (struct text){folded, size};
    word.common = is_common(folded);
    word.pair = false;
    if (reading->stemmer && !word.common && is_latin(folded)) {
        const sb_symbol *stem =
            sb_stemmer_stem(reading->stemmer, (const sb_symbol *)folded, (int)size);

        if (stem && sb_stemmer_length(reading->stemmer) > 0)
            word.stem =
                (struct text){(const char *)stem, (size_t)sb_stemmer_length(reading->stemmer)};
    }
    reading->on_word(reading->arg, &word);
}

/* What stands between two places where words may end: a word, an ideograph, or a space or sign. */
static void tell_segment(struct reading *reading, const uint8_t *bytes, size_t size,
                         const uint8_t *rest, size_t rest_len)
{
    ucs4_t first;
    ucs4_t next = 0;
    bool speaks = false;

    for (size_t i = 0; i < size && !speaks;) {
        i += (size_t)u8_mbtouc_unsafe(&first, bytes + i, size - i);
        speaks = says_something(first);
    }
    if (!speaks) {
        reading->before[0] = '\0';
        return;
    }
    u8_mbtouc_unsafe(&first, bytes, size);
    if (!is_unspaced(first) || size > 4) {
        reading->before[0] = '\0';
        tell_word(reading, (struct text){(const char *)bytes, size});
        return;
    }
    if (rest_len > 0)
        u8_mbtouc_unsafe(&next, rest, rest_len);
    tell_ideograph(reading, (const char *)bytes, size,
                   !reading->before[0] && !(is_unspaced(next) && says_something(next)));
}

static void tell_words(struct reading *reading, const uint8_t *bytes, size_t len)
{
    char *ends = xmalloc(len + 1);
    size_t begin = 0;

    u8_wordbreaks(bytes, len, ends);
    for (size_t i = 1; i <= len; i++) {
        if (i < len && !ends[i])
            continue;
        tell_segment(reading, bytes + begin, i - begin, bytes + i, len - i);
        begin = i;
    }
    free(ends);
}

int words_each(struct text text, word_fn on_word, void *arg)
{
    struct reading reading = {.on_word = on_word, .arg = arg};
    uint8_t *folded;
    size_t len = 0;

    if (text.len > WORDS_TEXT_MAX)
        return -E_LIMIT;
    if (!utf8_is_valid(text.ptr, text.len))
        return -E_INVALID;
    if (text.len == 0)
        return 0;
    folded = u8_casefold((const uint8_t *)text.ptr, text.len, NULL, UNINORM_NFKD, NULL, &len);
    if (!folded)
        abort(); /* out of memory */
    len = drop_marks(folded, len);
    reading.stemmer = sb_stemmer_new("english", "UTF_8"); /* one is for one thread */
    if (len > 0)
        tell_words(&reading, folded, len);
    sb_stemmer_delete(reading.stemmer);
    free(folded);
    return 0;
}

size_t words_piece(struct text text)
{
    size_t at = WORDS_TEXT_MAX;

    if (text.len <= WORDS_TEXT_MAX)
        return text.len;
    while (at > WORDS_TEXT_MAX / 2 && text.ptr[at] != ' ' && text.ptr[at] != '\n')
        at--;
    return at > WORDS_TEXT_MAX / 2 ? at : utf8_prefix(text.ptr, text.len, WORDS_TEXT_MAX);
}
