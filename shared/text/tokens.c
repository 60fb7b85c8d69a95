/* Estimates of tokens.
 *
 * A tokenizer cuts a text into words, numbers, signs and blanks, and each of these into pieces that
 * its vocabulary has. Which letters follow which tells much about the pieces: "tion" hardly ever
 * begins a new one, "qx" nearly always does. So the cost of a text is modelled as a sum: each byte
 * costs what stands in a table for its class and that of the byte before it (`pairs`), and a
 * correction for the coarser codes of it and the two before it (`triples`). Blanks in a row,
 * digits in groups of three and words in unusual scripts all come out of the same sum. The numbers
 * are fitted to texts of many kinds by least squares.
 *
 * Chinese characters are three bytes each, of which classes see little: whether one is common
 * decides whether it is one token or three. So a second pass, over texts that have any, adds a cost
 * by what the vocabulary does to the character alone.
 *
 * Classes: each letter, each ASCII sign and each blank is one, digits are one; bytes of UTF-8 that
 * continue a character are eight, and leading bytes are one a script. Codes: a letter without its
 * case, and seven for all else. The script makes the same ones; a test compares them. */

#include "shared/text/tokens.h"

#include "shared/text/tokens_table.h"

#define HAN_FIRST 0x4E00u
#define HAN_LAST  0x9FFFu

/* The state before the first byte is that behind two line feeds. */
#define LINE_FEED_CLASS 54u
#define LINE_FEED_CODE  29u

/* clang-format off */
static const uint8_t byte_class[256] = {
     89,  89,  89,  89,  89,  89,  89,  89,  89,  56,  54,  89,  89,  55,  89,  89,
     89,  89,  89,  89,  89,  89,  89,  89,  89,  89,  89,  89,  89,  89,  89,  89,
     53,  57,  58,  59,  60,  61,  62,  63,  64,  65,  66,  67,  68,  69,  70,  71,
     52,  52,  52,  52,  52,  52,  52,  52,  52,  52,  72,  73,  74,  75,  76,  77,
     78,  26,  27,  28,  29,  30,  31,  32,  33,  34,  35,  36,  37,  38,  39,  40,
     41,  42,  43,  44,  45,  46,  47,  48,  49,  50,  51,  79,  80,  81,  82,  83,
     84,   0,   1,   2,   3,   4,   5,   6,   7,   8,   9,  10,  11,  12,  13,  14,
     15,  16,  17,  18,  19,  20,  21,  22,  23,  24,  25,  85,  86,  87,  88,  89,
     90,  90,  90,  90,  90,  90,  90,  90,  91,  91,  91,  91,  91,  91,  91,  91,
     92,  92,  92,  92,  92,  92,  92,  92,  93,  93,  93,  93,  93,  93,  93,  93,
     94,  94,  94,  94,  94,  94,  94,  94,  95,  95,  95,  95,  95,  95,  95,  95,
     96,  96,  96,  96,  96,  96,  96,  96,  97,  97,  97,  97,  97,  97,  97,  97,
     98,  98,  98,  99, 100, 100, 101, 101, 101, 101, 101, 101, 101, 101, 102, 102,
    103, 104, 105, 105, 105, 105, 106, 106, 107, 108, 109, 109, 109, 109, 109, 109,
    110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 121, 121, 122, 122,
    123, 123, 123, 123, 123, 123, 123, 123, 123, 123, 123, 123, 123, 123, 123, 123,
};

static const uint8_t byte_code[256] = {
      0,   0,   0,   0,   0,   0,   0,   0,   0,  28,  29,   0,   0,  29,   0,   0,
      0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
     28,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
     27,  27,  27,  27,  27,  27,  27,  27,  27,  27,   0,   0,   0,   0,   0,   0,
      0,   1,   2,   3,   4,   5,   6,   7,   8,   9,  10,  11,  12,  13,  14,  15,
     16,  17,  18,  19,  20,  21,  22,  23,  24,  25,  26,   0,   0,   0,   0,   0,
      0,   1,   2,   3,   4,   5,   6,   7,   8,   9,  10,  11,  12,  13,  14,  15,
     16,  17,  18,  19,  20,  21,  22,  23,  24,  25,  26,   0,   0,   0,   0,   0,
     31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,
     31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,
     31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,
     31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,  31,
     30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,
     30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,
     30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,
     30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,  30,
};
/* clang-format on */

static const struct tokens_table *table_of(enum tokens_vocabulary vocabulary)
{
    switch (vocabulary) {
    case TOKENS_O200K:
        return &tokens_o200k;
    case TOKENS_CL100K:
        return &tokens_cl100k;
    }
    return &tokens_o200k;
}

/* What the Chinese characters of a text cost beside their bytes. */
static int64_t han_cost(struct text text, const struct tokens_table *table)
{
    const unsigned char *at = (const unsigned char *)text.ptr;
    const unsigned char *end = at + text.len;
    int64_t cost = 0;

    while (end - at >= 3) {
        unsigned character;
        uint64_t eight;

        if (*at < 0xE4 || *at > 0xE9) {
            at++;
            for (; end - at >= 8; at += 8) { /* past ASCII */
                memcpy(&eight, at, sizeof(eight));
                if (eight & 0x8080808080808080)
                    break;
            }
            continue;
        }
        character = (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
        if ((at[1] & 0xC0) == 0x80 && (at[2] & 0xC0) == 0x80 && character >= HAN_FIRST &&
            character <= HAN_LAST) {
            unsigned number = character - HAN_FIRST;
            unsigned three = (unsigned)table->han[number / 3] - '0';

            cost += table->han_costs[three >> number % 3 * 2 & 3];
        }
        at += 3;
    }
    return cost;
}

int64_t tokens_estimate(struct text text, enum tokens_vocabulary vocabulary)
{
    const struct tokens_table *table = table_of(vocabulary);
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    unsigned last_class = LINE_FEED_CLASS;
    unsigned last_codes = LINE_FEED_CODE << TOKENS_CODE_BITS | LINE_FEED_CODE;
    unsigned last_code = LINE_FEED_CODE;
    unsigned seen = 0;
    int64_t pairs = 0;
    int64_t triples = 0;
    int64_t cost;

    if (text.len == 0)
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned class = byte_class[bytes[i]];
        unsigned code = byte_code[bytes[i]];

        pairs += table->pairs[last_class << TOKENS_CLASS_BITS | class];
        triples += table->triples[last_codes << TOKENS_CODE_BITS | code];
        last_class = class;
        last_codes = last_code << TOKENS_CODE_BITS | code;
        last_code = code;
        seen |= bytes[i];
    }
    pairs -= (int64_t)text.len * TOKENS_PAIR_ZERO;
    triples -= (int64_t)text.len * TOKENS_TRIPLE_ZERO;
    cost = pairs * TOKENS_PAIR_STEP + triples * TOKENS_TRIPLE_STEP;
    if (seen & 0x80)
        cost += han_cost(text, table);
    cost = (cost + TOKENS_UNIT / 2) / TOKENS_UNIT;
    if (cost < 1)
        return 1;
    return cost < (int64_t)text.len ? cost : (int64_t)text.len;
}
