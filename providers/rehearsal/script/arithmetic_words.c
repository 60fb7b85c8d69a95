/* From a question to words, and from words to numbers. */

#include "providers/rehearsal/script/arithmetic_words.h"

#include <ctype.h>
#include <stdio.h>

#define NUMBER_MAX ((int64_t)1000000000000000) /* beyond it nobody asks in words */

static bool is_digit_at(struct text text, size_t i)
{
    return i < text.len && isdigit((unsigned char)text.ptr[i]);
}

/* Whether a comma at `i` stands before exactly three digits. */
static bool groups_thousands(struct text text, size_t i)
{
    return is_digit_at(text, i + 1) && is_digit_at(text, i + 2) && is_digit_at(text, i + 3) &&
           !is_digit_at(text, i + 4);
}

/* Reads a number at *i. */
static bool take_number(struct text text, size_t *i, struct word *out)
{
    bool point = false;
    size_t len = 0;

    out->kind = WORD_NUMBER;
    for (; *i < text.len; ++*i) {
        char c = text.ptr[*i];

        if (c == ',' && !point && groups_thousands(text, *i))
            continue;
        if (c == '.' && (point || !is_digit_at(text, *i + 1)))
            break;
        if (c != '.' && !isdigit((unsigned char)c))
            break;
        point |= c == '.';
        if (len + 1 == sizeof(out->text))
            return false;
        out->text[len++] = c;
    }
    out->text[len] = '\0';
    return true;
}

static bool is_name_at(struct text text, size_t i)
{
    char c = text.ptr[i];

    return isalpha((unsigned char)c) ||
           (c == '\'' && i + 1 < text.len && isalpha((unsigned char)text.ptr[i + 1]));
}

/* Letters up to anything else; "6x7" is three words. */
static bool take_name(struct text text, size_t *i, struct word *out)
{
    size_t len = 0;

    out->kind = WORD_NAME;
    for (; *i < text.len && is_name_at(text, *i); ++*i) {
        if (len + 1 == sizeof(out->text))
            return false;
        if (text.ptr[*i] != '\'')
            out->text[len++] = (char)tolower((unsigned char)text.ptr[*i]);
    }
    out->text[len] = '\0';
    return true;
}

static void take_sign(struct text text, size_t *i, struct word *out)
{
    static const struct {
        const char *from;
        const char *to;
    } signs[] = {
        {"\xC3\x97", "*"},     /* × */
        {"\xC3\xB7", "/"},     /* ÷ */
        {"\xC2\xB7", "*"},     /* · */
        {"\xE2\x88\x92", "-"}, /* − */
        {"\xE2\x80\x99", ""},  /* ’ */
    };
    struct text rest = {text.ptr + *i, text.len - *i};

    out->kind = WORD_SIGN;
    for (size_t n = 0; n < ARRAY_LENGTH(signs); n++) {
        if (!text_starts(rest, signs[n].from))
            continue;
        snprintf(out->text, sizeof(out->text), "%s", signs[n].to);
        *i += strlen(signs[n].from);
        return;
    }
    out->text[0] = rest.ptr[0];
    out->text[1] = '\0';
    ++*i;
}

bool words_split(struct text question, struct words *out)
{
    size_t i = 0;

    out->count = 0;
    while (i < question.len) {
        struct word *word = &out->items[out->count];
        bool fits = true;

        if (isspace((unsigned char)question.ptr[i])) {
            i++;
            continue;
        }
        if (out->count == WORDS_MAX)
            return false;
        if (isdigit((unsigned char)question.ptr[i]))
            fits = take_number(question, &i, word);
        else if (isalpha((unsigned char)question.ptr[i]))
            fits = take_name(question, &i, word);
        else
            take_sign(question, &i, word);
        if (!fits)
            return false;
        out->count += word->text[0] != '\0';
    }
    out->items[out->count] = (struct word){.kind = WORD_END};
    return true;
}

bool word_is(const struct word *word, const char *text)
{
    return word->kind != WORD_END && strcmp(word->text, text) == 0;
}

/* How many words the phrase has when all of them stand at `at`, else 0. */
static size_t phrase_at(const struct words *words, size_t at, const char *phrase)
{
    struct text rest = text_of(phrase);
    size_t count = 0;

    while (rest.len) {
        struct text head;

        if (!text_cut(rest, ' ', &head, &rest)) {
            head = rest;
            rest.len = 0;
        }
        if (at + count >= words->count || !text_is(head, words->items[at + count].text))
            return 0;
        count++;
    }
    return count;
}

size_t words_say(const struct words *words, size_t at, const char *const *phrases)
{
    for (; *phrases; phrases++) {
        size_t count = phrase_at(words, at, *phrases);

        if (count)
            return count;
    }
    return 0;
}

static int64_t find(const struct word *word, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (word_is(word, names[i]))
            return (int64_t)i;
    return -1;
}

/* 0 to 19, or 20 to 90; -1: neither. */
static int64_t small(const struct word *word)
{
    static const char *const ones[] = {"zero",    "one",     "two",       "three",    "four",
                                       "five",    "six",     "seven",     "eight",    "nine",
                                       "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                       "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
    static const char *const tens[] = {"twenty", "thirty",  "forty",  "fifty",
                                       "sixty",  "seventy", "eighty", "ninety"};
    int64_t n = find(word, ones, ARRAY_LENGTH(ones));

    if (n >= 0)
        return n;
    n = find(word, tens, ARRAY_LENGTH(tens));
    return n >= 0 ? 20 + 10 * n : -1;
}

static int64_t scale(const struct word *word)
{
    static const char *const names[] = {"thousand", "million", "billion"};
    static const int64_t scales[] = {1000, 1000000, 1000000000};
    int64_t n = find(word, names, ARRAY_LENGTH(names));

    return n >= 0 ? scales[n] : 0;
}

struct number {
    int64_t total; /* of thousands and millions that are complete */
    int64_t part;  /* below the next of them */
    size_t used;   /* words */
    bool glued;    /* the last word was hundred, thousand, …: "and" may follow */
};

/* Takes one more word of a number in words. False: it does not go on. */
static bool take_word(const struct words *words, size_t at, struct number *number)
{
    const struct word *word = &words->items[at + number->used];
    bool hyphen = number->used > 0 && word_is(word, "-") && number->part % 100 >= 20 &&
                  number->part % 10 == 0 && small(&word[1]) > 0 && small(&word[1]) < 10;
    bool and = number->glued && word_is(word, "and") && small(&word[1]) > 0;
    int64_t n;

    if (hyphen || and)
        word++;
    n = small(word);
    if (n >= 0 && (number->used == 0 || (n > 0 && number->part % 100 == 0 && number->glued) ||
                   (n > 0 && n < 10 && number->part % 100 >= 20 && number->part % 10 == 0))) {
        number->part += n;
        number->glued = false;
    } else if (word_is(word, "hundred") && number->part > 0 && number->part < 100) {
        number->part *= 100;
        number->glued = true;
    } else if (scale(word) && number->part > 0) {
        number->total += number->part * scale(word);
        number->part = 0;
        number->glued = true;
    } else {
        return false;
    }
    number->used += 1 + (size_t)(hyphen || and);
    return number->total < NUMBER_MAX;
}

/* "point five two" behind a number in words: how many words, appended as ".52". */
static size_t take_point(const struct words *words, size_t at, struct buf *out)
{
    size_t used = 1;

    if (!word_is(&words->items[at], "point") || small(&words->items[at + 1]) < 0)
        return 0;
    buf_add_char(out, '.');
    while (small(&words->items[at + used]) >= 0 && small(&words->items[at + used]) < 10)
        buf_add_int(out, small(&words->items[at + used++]));
    return used > 1 ? used : 0;
}

static size_t number_in_words(const struct words *words, size_t at, struct buf *out)
{
    struct number number = {0};
    size_t article = 0;

    if (word_is(&words->items[at], "a") &&
        (word_is(&words->items[at + 1], "hundred") || scale(&words->items[at + 1]))) {
        article = 1;
        number.part = 1;
    }
    while (take_word(words, at + article, &number)) {
    }
    if (!number.used)
        return 0;
    buf_add_int(out, number.total + number.part);
    return article + number.used + take_point(words, at + article + number.used, out);
}

size_t words_number(const struct words *words, size_t at, struct buf *out)
{
    const struct word *word = &words->items[at];
    int64_t value;

    if (word->kind == WORD_NAME)
        return number_in_words(words, at, out);
    if (word->kind != WORD_NUMBER)
        return 0;
    if (text_to_int(text_of(word->text), &value) && value < 1000000 &&
        (scale(&word[1]) || word_is(&word[1], "hundred"))) {
        buf_add_int(out, value * (scale(&word[1]) ? scale(&word[1]) : 100));
        return 2;
    }
    buf_add_string(out, word->text);
    return 1;
}
