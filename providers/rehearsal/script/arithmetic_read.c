/* From a question to an expression: what people say around it is passed over, the rest must be an
 * expression and nothing else.
 *
 *   sum     = product { (plus | minus) product }
 *   product = unary { (times | over | modulo) unary }
 *   unary   = { "-" | minus | negative } power
 *   power   = primary [ squared | cubed | to the power of unary ]
 *   primary = number | "(" sum ")" | (sum | product | …) of LIST | (half | twice | …) unary
 *
 * or a command: add LIST, add A to B, subtract A from B, multiply A by B, divide A by B.
 */

#include "providers/rehearsal/script/arithmetic.h"
#include "providers/rehearsal/script/arithmetic_words.h"

#define NESTING_MAX 20

struct phrase {
    const char *const *said;
    const char *sign;
};

struct reading {
    struct words words;
    size_t at;
    int depth;
    int operators;
    struct buf *out;
};

#define SAID(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct phrase multiples[] = {
    {SAID("half of"), "0.5 * "},
    {SAID("twice", "double"), "2 * "},
    {SAID("triple"), "3 * "},
};

static const struct phrase powers[] = {
    {SAID("squared"), "^2"},
    {SAID("cubed"), "^3"},
};

static const struct phrase products[] = {
    {SAID("multiplied by", "times", "x", "*"), " * "},
    {SAID("divided by", "over", "/"), " / "},
    {SAID("modulo", "mod"), " % "},
};

static const struct phrase sums[] = {
    {SAID("added to", "plus", "+"), " + "},
    {SAID("minus", "less", "-"), " - "},
};

/* Takes one of the phrases. */
static bool take(struct reading *r, const char *const *phrases)
{
    size_t count = words_say(&r->words, r->at, phrases);

    r->at += count;
    return count > 0;
}

/* Takes an operator of the table and appends its sign. */
static bool take_operator(struct reading *r, const struct phrase *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!take(r, table[i].said))
            continue;
        buf_add_string(r->out, table[i].sign);
        r->operators++;
        return true;
    }
    return false;
}

static bool read_sum(struct reading *r);
static bool read_unary(struct reading *r);

static bool read_number(struct reading *r)
{
    size_t used = words_number(&r->words, r->at, r->out);

    r->at += used;
    return used > 0;
}

/* "A, B and C", with the sign between them. */
static bool read_list(struct reading *r, const char *sign)
{
    size_t items = 1;

    if (!read_unary(r))
        return false;
    while (take(r, SAID(", and", ",", "and"))) {
        buf_add_string(r->out, sign);
        items++;
        if (!read_unary(r))
            return false;
    }
    r->operators++;
    return items > 1;
}

static bool read_group(struct reading *r)
{
    static const struct {
        const char *said;
        const char *sign;
    } groups[] = {
        {"sum of", " + "},        {"product of", " * "},  {"difference between", " - "},
        {"difference of", " - "}, {"quotient of", " / "},
    };

    (void)take(r, SAID("the"));
    for (size_t i = 0; i < ARRAY_LENGTH(groups); i++) {
        bool ok;

        if (!take(r, SAID(groups[i].said)))
            continue;
        buf_add_char(r->out, '(');
        ok = read_list(r, groups[i].sign);
        buf_add_char(r->out, ')');
        return ok;
    }
    return false;
}

static bool read_multiple(struct reading *r)
{
    return take_operator(r, multiples, ARRAY_LENGTH(multiples)) && read_unary(r);
}

static bool read_primary(struct reading *r)
{
    if (take(r, SAID("("))) {
        buf_add_char(r->out, '(');
        if (!read_sum(r) || !take(r, SAID(")")))
            return false;
        buf_add_char(r->out, ')');
        return true;
    }
    return read_number(r) || read_group(r) || read_multiple(r);
}

static bool read_power(struct reading *r)
{
    if (!read_primary(r))
        return false;
    if (take_operator(r, powers, ARRAY_LENGTH(powers)))
        return true;
    if (!take(r, SAID("to the power of", "^", "* *")))
        return true;
    buf_add_char(r->out, '^');
    r->operators++;
    return read_unary(r);
}

/* Recursion is capped by NESTING_MAX: each way back to a sum or a unary comes by here. */
static bool read_unary(struct reading *r)
{
    bool ok;

    if (++r->depth > NESTING_MAX)
        return false;
    if (take(r, SAID("-", "minus", "negative"))) {
        buf_add_char(r->out, '-');
        ok = read_unary(r);
    } else {
        ok = read_power(r);
    }
    r->depth--;
    return ok;
}

static bool read_product(struct reading *r)
{
    if (!read_unary(r))
        return false;
    while (take_operator(r, products, ARRAY_LENGTH(products)))
        if (!read_unary(r))
            return false;
    return true;
}

static bool read_sum(struct reading *r)
{
    if (!read_product(r))
        return false;
    while (take_operator(r, sums, ARRAY_LENGTH(sums)))
        if (!read_product(r))
            return false;
    return true;
}

/* "subtract A from B": the second comes first. */
static bool read_turned(struct reading *r, const char *const *between, const char *sign)
{
    struct buf *out = r->out;
    CLEANUP(buf_deinit) struct buf first = {0};
    bool ok;

    buf_init(&first, 0);
    r->out = &first;
    ok = read_unary(r) && take(r, between);
    r->out = out;
    if (!ok || !read_unary(r))
        return false;
    buf_add_string(out, sign);
    buf_add_text(out, buf_text(&first));
    r->operators++;
    return true;
}

static bool read_between(struct reading *r, const char *sign)
{
    if (!read_unary(r) || !take(r, SAID("by")))
        return false;
    buf_add_string(r->out, sign);
    r->operators++;
    return read_unary(r);
}

static bool read_command(struct reading *r)
{
    size_t begin = r->at;
    size_t length = r->out->len;

    if (take(r, SAID("add"))) {
        if (read_list(r, " + "))
            return true;
        r->at = begin + 1;
        r->out->len = length;
        return read_turned(r, SAID("to"), " + ");
    }
    if (take(r, SAID("subtract")))
        return read_turned(r, SAID("from"), " - ");
    if (take(r, SAID("multiply")))
        return read_between(r, " * ");
    if (take(r, SAID("divide")))
        return read_between(r, " / ");
    return read_sum(r);
}

/* The pair of brackets around the whole says nothing. */
static void strip_brackets(struct buf *out, size_t from)
{
    int depth = 0;

    if (out->failed || out->len - from < 2 || out->ptr[from] != '(')
        return;
    for (size_t i = from; i + 1 < out->len; i++) {
        depth += (out->ptr[i] == '(') - (out->ptr[i] == ')');
        if (depth == 0)
            return;
    }
    memmove(out->ptr + from, out->ptr + from + 1, out->len - from - 2);
    out->len -= 2;
    out->ptr[out->len] = '\0';
}

bool arithmetic_read(struct text question, struct buf *expression)
{
    static const char *const before[] = {"use the calculator",
                                         "work out",
                                         "how much is",
                                         "what is",
                                         "what does",
                                         "tell me",
                                         "can you",
                                         "could you",
                                         "would you",
                                         "the result of",
                                         "the value of",
                                         "the answer to",
                                         "i want to know",
                                         "i need to know",
                                         "do you know",
                                         "give me",
                                         "please",
                                         "calculate",
                                         "compute",
                                         "evaluate",
                                         "solve",
                                         "find",
                                         "hello",
                                         "whats",
                                         "what s",
                                         "hi",
                                         "hey",
                                         "so",
                                         "now",
                                         "ok",
                                         "okay",
                                         "to",
                                         ",",
                                         ":",
                                         "!",
                                         ".",
                                         NULL};
    static const char *const behind[] = {
        "is what", "make", "makes", "equals", "equal", "please", "thank you", "thanks",
        "what",    "is",   "=",     "?",      "!",     ".",      ",",         NULL};
    struct reading r = {.out = expression};
    size_t from = expression->len;

    if (question.len > ARITHMETIC_BYTES_MAX || !words_split(question, &r.words))
        return false;
    while (take(&r, before)) {
    }
    if (!read_command(&r) || r.operators == 0)
        return false;
    while (take(&r, behind)) {
    }
    strip_brackets(expression, from);
    return r.at == r.words.count && !expression->failed;
}
