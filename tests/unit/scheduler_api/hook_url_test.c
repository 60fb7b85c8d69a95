/* Secrets in URLs of webhooks: where they may stand, and what they become. */

#include "scheduler/outbox/hook_url.h"

#include <criterion/criterion.h>
#include <string.h>

#include "shared/base/error.h"

static const char *const secret_values[][2] = {{"A", "x/y+\"\r\n&=?#%"}, {"B", "plain-value"}};

static int filled(const char *url, struct buf *out)
{
    struct text names[HOOK_URL_SECRETS_MAX];
    struct known_secret known[2];
    struct error err = {0};
    size_t count = 0;
    int r = hook_url_read(text_of(url), names, &count, &err);

    for (size_t i = 0; i < 2; i++)
        known[i] =
            (struct known_secret){text_of(secret_values[i][0]), text_of(secret_values[i][1])};
    return r < 0 ? r : hook_url_write(text_of(url), known, 2, out, &err);
}

Test(hook_url, secrets_stay_in_their_places)
{
    static const char *const urls[][2] = {
        {"https://a.example/p/${secret:A}/z",
         "https://a.example/p/x%2Fy%2B%22%0D%0A%26%3D%3F%23%25/z"},
        {"https://a.example/?k=${secret:B}&l=${secret:B}",
         "https://a.example/?k=plain-value&l=plain-value"},
        {"https://a.example?k=${secret:B}", "https://a.example?k=plain-value"},
        {"https://a.example/$${secret:B}/${HOME}/$", "https://a.example/${secret:B}/${HOME}/$"},
        {"https://a.example/", "https://a.example/"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        CLEANUP(buf_deinit) struct buf out;

        buf_init(&out, 0);
        cr_assert_eq(filled(urls[i][0], &out), 0);
        cr_assert_str_eq(buf_string(&out), urls[i][1]);
    }
    cr_assert_not(hook_url_has_secrets(TEXT("https://a.example/${HOME}")));
    cr_assert(hook_url_has_secrets(TEXT("https://a.example/${secret:B}")));
}

Test(hook_url, secrets_are_in_no_host_and_no_scheme_and_well_formed)
{
    static const char nine[] =
        "https://a.example/${secret:a}${secret:b}${secret:c}${secret:d}${secret:e}${secret:f}"
        "${secret:g}${secret:h}${secret:i}";
    const char *const urls[] = {
        "https://${secret:B}/",
        "https://a.example:${secret:B}/",
        "https://u:${secret:B}@a.example/",
        "${secret:B}://a.example/",
        "${secret:B}",
        "https://a.example/${secret:}",
        "https://a.example/${secret:a b}",
        "https://a.example/${secret:B",
        "https://a.example/${secret:C}",
        nine,
    };

    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        CLEANUP(buf_deinit) struct buf out;

        buf_init(&out, 0);
        cr_assert_eq(filled(urls[i], &out), -E_INVALID, "%s", urls[i]);
    }
}
