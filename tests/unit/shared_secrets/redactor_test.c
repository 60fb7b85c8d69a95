/* Secrets that a server says back, in whatever form. */

#include "shared/secrets/redactor.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/text/base64.h"

#define VALUE "p@ss/w+rd \"1\"&\xc3\xa4%"

static const struct known_secret known[] = {
    {{"KEY", 3}, {"sk-live-0123456789", 18}},
    {{"PASS", 4}, {VALUE, sizeof(VALUE) - 1}},
};

static const char *redacted_with(const struct known_secret *secrets, size_t count, struct text text,
                                 bool is_cut)
{
    static struct buf out;
    struct redactor *redactor = redactor_new(secrets, count);

    buf_deinit(&out);
    buf_init(&out, 0);
    redactor_write(redactor, text, is_cut, &out);
    redactor_free(redactor);
    return buf_string(&out);
}

static const char *redacted(const char *text)
{
    return redacted_with(known, 2, text_of(text), false);
}

Test(redactor, a_value_becomes_its_name_wherever_it_stands)
{
    cr_assert_str_eq(redacted("sk-live-0123456789"), "[secret KEY]");
    cr_assert_str_eq(redacted("got sk-live-0123456789, sk-live-0123456789!"),
                     "got [secret KEY], [secret KEY]!");
    cr_assert_str_eq(redacted("sk-live-sk-live-0123456789"), "sk-live-[secret KEY]");
    cr_assert_str_eq(redacted("nothing of it: sk-live-012345678"),
                     "nothing of it: sk-live-012345678");
    cr_assert_str_eq(redacted(""), "");
    cr_assert_str_eq(redacted("<" VALUE ">"), "<[secret PASS]>");
}

Test(redactor, escapes_hide_nothing)
{
    const char *forms[] = {
        "p%40ss%2Fw%2Brd%20%221%22%26%C3%A4%25", /* as a part of a URL */
        "p%40ss%2fw%2brd+%221%22%26%c3%a4%25",   /* of a form */
        "p@ss/w+rd \\\"1\\\"&\\u00e4%",          /* JSON */
        "p@ss\\/w+rd \\\"1\\\"\\u0026\\u00E4%",
        "p%2540ss%252Fw%252Brd%2520%25221%2522%2526%25C3%25A4%2525", /* of a URL in a URL */
        "p@ss/w+rd \\\\\\\"1\\\\\\\"&\xc3\xa4%",                     /* JSON in JSON */
        "p@ss/w+rd &quot;1&quot;&amp;\xc3\xa4%",                     /* HTML */
        "p&#64;ss&#x2F;w+rd &#34;1&#34;&amp;&#228;%",
        "\\u0070@ss/w\\u002brd \\u00221\\u0022&\xc3\xa4\\u0025",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
        CLEANUP(freep) char *said = xasprintf("<%s>", forms[i]);

        cr_assert_str_eq(redacted(said), "<[secret PASS]>", "%s", said);
    }
    cr_assert_str_eq(redacted("\\u0073k-live%2D0123456789"), "[secret KEY]");
}

/* What of a secret is in a text in base64 that goes on before and behind it. */
Test(redactor, base64_is_found_wherever_the_value_lies_in_it)
{
    for (size_t before = 0; before < 7; before++) {
        for (size_t behind = 0; behind < 4; behind++) {
            char plain[64] = "";
            char form[128] = "";
            size_t bytes = before + 18 + behind;

            memset(plain, 'u', sizeof(plain) - 1);
            memcpy(plain + before, "sk-live-0123456789", 18);
            *base64_put(form, (const uint8_t *)plain, bytes) = '\0';
            cr_assert(strstr(redacted(form), "[secret KEY]"), "%zu %zu %s", before, behind, form);
            cr_assert(strlen(redacted(form)) < strlen(form) - 22 + 12, "%s", redacted(form));
        }
    }
    cr_assert_str_eq(redacted("Basic c2stbGl2ZS0wMTIzNDU2Nzg5"), "Basic [secret KEY]");
}

Test(redactor, base64_for_addresses_and_hexadecimal_are_found)
{
    static const struct known_secret odd = {{"ODD", 3},
                                            {"\xfb\xff\xfe\xfb\xff\xfe\xfb\xff\xfe", 9}};

    cr_assert_str_eq(redacted_with(&odd, 1, TEXT("a +//++//++//+ b"), false), "a [secret ODD] b");
    cr_assert_str_eq(redacted_with(&odd, 1, TEXT("a -__--__--__- b"), false), "a [secret ODD] b");
    cr_assert_str_eq(redacted_with(&odd, 1, TEXT("a %2B%2f%2F%2B%2B\\/\\/++//+ b"), false),
                     "a [secret ODD] b");
    cr_assert_str_eq(redacted("736b2d6c6976652d30313233343536373839"), "[secret KEY]");
    cr_assert_str_eq(redacted("736B2D6C6976652D30313233343536373839"), "[secret KEY]");
}

/* A body is encoded as it was sent: as JSON, or as a form. */
Test(redactor, what_was_escaped_and_then_encoded_is_found)
{
    static const char *const sent[] = {
        "{\"key\":\"p@ss/w+rd \\\"1\\\"&\xc3\xa4%\"}",
        "a=1&key=p%40ss%2Fw%2Brd%20%221%22%26%C3%A4%25&b=2",
        "/hook/p%40ss%2Fw%2Brd%20%221%22%26%C3%A4%25",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(sent); i++) {
        for (size_t before = 0; before < 3; before++) {
            CLEANUP(buf_deinit) struct buf said;
            char encoded[400];
            size_t len;

            buf_init(&said, 0);
            buf_printf(&said, "%.*s%s", (int)before, "xyz", sent[i]);
            len = (size_t)(base64_put(encoded, (const uint8_t *)said.ptr, said.len) - encoded);
            cr_assert(strstr(redacted_with(known, 2, (struct text){encoded, len}, false),
                             "[secret PASS]"),
                      "%s behind %zu", sent[i], before);
            len = 2 * said.len;
            (void)text_put_hex(encoded, (const uint8_t *)said.ptr, said.len);
            cr_assert(strstr(redacted_with(known, 2, (struct text){encoded, len}, false),
                             "[secret PASS]"));
        }
    }
}

Test(redactor, what_is_cut_ends_before_the_beginning_of_a_secret)
{
    for (size_t bytes = 1; bytes < 18; bytes++) {
        CLEANUP(freep) char *said = xasprintf("so: %.*s", (int)bytes, "sk-live-0123456789");

        cr_assert_str_eq(redacted_with(known, 2, text_of(said), true), "so: [secret KEY]");
        cr_assert_str_eq(redacted_with(known, 2, text_of(said), false), said);
    }
}

Test(redactor, without_secrets_all_stays)
{
    cr_assert_str_eq(redacted_with(NULL, 0, TEXT("as it is %41"), true), "as it is %41");
}

/* Whatever bytes come: it ends, reads nothing behind them, and what it leaves has no secret. */
Test(redactor, any_bytes_may_come)
{
    const char *parts[] = {"sk-live-",
                           "0123456789",
                           "%",
                           "%4",
                           "\\u",
                           "\\",
                           "&",
                           "&#",
                           "&#x",
                           "+",
                           "\\ud83d",
                           "\\ude00",
                           "\xff",
                           "sk-live-0123456789",
                           "c2stbGl2ZS0wMTIzNDU2Nzg5"};

    for (int round = 0; round < 3000; round++) {
        char text[256];
        size_t len = 0;
        CLEANUP(freep) char *exact = NULL;

        while (len < 200) {
            const char *part = parts[random_below(ARRAY_LENGTH(parts))];

            memcpy(text + len, part, strlen(part));
            len += strlen(part);
        }
        exact = xmalloc(len);
        memcpy(exact, text, len);
        cr_assert_null(strstr(redacted_with(known, 2, (struct text){exact, len}, round % 2),
                              "sk-live-0123456789"));
    }
}
