/* Lists of domains. */

#include <criterion/criterion.h>

#include "shared/net/domain.h"

Test(domain, is_a_name_without_anything_around_it)
{
    static const char *const names[] = {"example.com", "a", "x-y.z_1.example", "1.2.3.4",
                                        "xn--bcher-kva.example"};
    static const char *const others[] = {"",    ".",         "a.",   ".a",  "a..b",      "a b",
                                         "a/b", "https://a", "a:80", "*.a", "b\xc3\xbc", "a@b"};
    char label[80];

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        cr_assert(domain_fits(text_of(names[i])), "%s", names[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        cr_assert_not(domain_fits(text_of(others[i])), "%s", others[i]);
    memset(label, 'a', sizeof(label));
    cr_assert(domain_fits((struct text){label, 63}));
    cr_assert_not(domain_fits((struct text){label, 64}));
}

Test(domain, stands_for_itself_and_what_is_below_it)
{
    static const struct {
        const char *domain;
        const char *name;
        bool covers;
    } rows[] = {
        {"example.com", "example.com", true},
        {"example.com", "EXAMPLE.com.", true},
        {"example.com", "www.example.com", true},
        {"example.com", "a.b.example.com", true},
        {"example.com", "notexample.com", false},
        {"example.com", "com", false},
        {"www.example.com", "example.com", false},
        {"example.com", "example.com.evil", false},
        {"", "a", false},
        {"a", "", false},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        cr_assert_eq(domain_covers(text_of(rows[i].domain), text_of(rows[i].name)), rows[i].covers,
                     "%s %s", rows[i].domain, rows[i].name);
}

Test(domain, rules_allow_what_is_allowed_and_not_blocked)
{
    const struct text allowed[] = {TEXT("a.example"), TEXT("b.example")};
    const struct text blocked[] = {TEXT("bad.a.example")};
    const struct domain_rules both = {allowed, 2, blocked, 1};
    const struct domain_rules blocking = {NULL, 0, blocked, 1};
    const struct domain_rules none = {NULL, 0, NULL, 0};

    cr_assert(domain_rules_allow(&both, TEXT("x.b.example")));
    cr_assert_not(domain_rules_allow(&both, TEXT("c.example")));
    cr_assert_not(domain_rules_allow(&both, TEXT("x.bad.a.example")));
    cr_assert(domain_rules_allow(&blocking, TEXT("c.example")));
    cr_assert_not(domain_rules_allow(&blocking, TEXT("bad.a.example")));
    cr_assert(domain_rules_allow(&none, TEXT("anything")));
}
