/* The grammar of references. */

#include "shared/secrets/reference.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "shared/base/error.h"

/* Pieces as "text|<NAME>|text". */
static const char *pieces(const char *text)
{
    static char out[512];
    struct text rest = text_of(text);
    struct reference_piece piece;
    struct error err;
    size_t used = 0;
    int r;

    out[0] = '\0';
    while ((r = reference_next(&rest, &piece, &err)) == 0)
        used += (size_t)snprintf(out + used, sizeof(out) - used,
                                 piece.is_secret ? "%s<%.*s>" : "%s%.*s", used ? "|" : "",
                                 TEXT_ARGS(piece.text));
    return r == REFERENCES_END ? out : "refused";
}

Test(reference, a_text_is_cut_at_its_references)
{
    cr_assert_str_eq(pieces("Bearer ${secret:SHOP_KEY}"), "Bearer |<SHOP_KEY>");
    cr_assert_str_eq(pieces("${secret:a}${secret:_b9}!"), "<a>|<_b9>|!");
    cr_assert_str_eq(pieces(""), "");
    cr_assert_str_eq(pieces("plain"), "plain");
}

Test(reference, other_dollars_are_text)
{
    const char *texts[] = {"${HOME}",      "$5",          "$",
                           "$$",           "${",          "${secre",
                           "${ secret:A}", "${Secret:A}", "$ {secret:A}",
                           "{{secret:A}}", "${SECRET_A}", "$$$"};

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        cr_assert_str_eq(pieces(texts[i]), texts[i]);
}

Test(reference, two_dollars_are_the_text_itself)
{
    cr_assert_str_eq(pieces("$${secret:A}"), "${secret|:A}");
    cr_assert_str_eq(pieces("$$${secret:A}"), "$|${secret|:A}");
    cr_assert_str_eq(pieces("$${secret:not a name"), "${secret|:not a name");
    cr_assert_str_eq(pieces("$${secret:A}${secret:B}"), "${secret|:A}|<B>");
}

Test(reference, what_is_meant_and_wrong_is_refused)
{
    const char *texts[] = {
        "${secret:}",
        "${secret}",
        "${secret.A}",
        "${secrets:A}",
        "${secret",
        "${secret:A",
        "${secret:A B}",
        "${secret:9A}",
        "${secret:A-B}",
        "x ${secret: A}",
        "${secret:${secret:A}}",
        "${secret:A}${secret:",
        "${secret:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}",
        "${secret:\xc3\xa4}"};
    struct error err;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        cr_assert_str_eq(pieces(texts[i]), "refused", "%s", texts[i]);
        cr_assert_eq(references_check(text_of(texts[i]), &err), -E_INVALID);
    }
    cr_assert_eq(references_check(TEXT("a ${secret:A} $${secret:"), &err), 0);
}
