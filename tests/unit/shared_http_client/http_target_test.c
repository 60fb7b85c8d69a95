/* Urls and allow-lists of the http_request tool: pure, so every spelling can be tried. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/http_client/http_target.h"

Test(http_target, reads_host_and_port)
{
    static const struct {
        const char *url;
        const char *host;
        int port;
        const char *sent;
    } rows[] = {
        {"http://Example.COM", "example.com", 80, NULL},
        {"https://example.com./a?b=c#d", "example.com", 443, "https://example.com./a?b=c"},
        {"HTTP://example.com:8080/", "example.com", 8080, NULL},
        {"https://[2606:4700::1111]:8443/x", "2606:4700::1111", 8443, NULL},
        {"http://2130706433/", "127.0.0.1", 80, NULL},
        {"http://0x7f.1/", "127.0.0.1", 80, NULL},
        {"http://0177.0.0.1/", "127.0.0.1", 80, NULL},
        {"http://127.1/", "127.0.0.1", 80, NULL},
        {"http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1", 80, NULL},
        {"http://%6c%6fcalhost/", "localhost", 80, NULL},
        {"http://example.com/caf\xc3\xa9", "example.com", 80, "http://example.com/caf%c3%a9"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct http_target target = {0};
        struct error err = {0};

        cr_assert_eq(http_target_parse(rows[i].url, &target, &err), 0, "%s: %s", rows[i].url,
                     err.text);
        cr_assert_str_eq(target.host, rows[i].host, "%s", rows[i].url);
        cr_assert_eq(target.port, rows[i].port, "%s", rows[i].url);
        if (rows[i].sent)
            cr_assert_str_eq(target.url, rows[i].sent);
        http_target_deinit(&target);
    }
}

Test(http_target, refuses_what_is_not_strictly_a_url)
{
    static const char *const urls[] = {
        "",
        "example.com",
        "//example.com/",
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://example.com/",
        "javascript:alert(1)",
        " http://example.com/",
        "http:/example.com/",
        "http:///example.com/",
        "http:\\\\example.com\\",
        "http://example.com\\@evil.com/",
        "http://example.com/a b",
        "http://example.com/\r\nHost: evil.com",
        "http://example.com/\t",
        "http://user@example.com/",
        "http://user:password@example.com/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:http/",
        "http://:80/",
        "http://?x",
        "http://#x",
        "http://[fe80::1%25eth0]/",
        "http://[::1",
        "http://[nonsense]/",
        "http://caf\xc3\xa9.example/",
        "http://exa%2fmple.com/",
        "http://example.com%00.evil.com/",
        "http://./",
        "http://exam*ple.com/",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        struct http_target target = {0};
        struct error err = {0};

        cr_assert_eq(http_target_parse(urls[i], &target, &err), -E_INVALID, "'%s' became '%s'",
                     urls[i], target.host);
        cr_assert_gt(strlen(err.text), 10);
        cr_assert_null(strstr(err.text, "password"));
        cr_assert_null(target.url);
    }
}

static bool allows(const char *entry, const char *url)
{
    struct http_target target = {0};
    int r;

    cr_assert_eq(http_target_parse(url, &target, NULL), 0, "%s", url);
    r = http_target_check(&target, &entry, 1, NULL);
    cr_assert(r == 0 || r == -E_DENIED);
    http_target_deinit(&target);
    return r == 0;
}

Test(http_target, allows_a_host_on_the_web_ports_only)
{
    cr_assert(allows("api.example.com", "https://api.example.com/"));
    cr_assert(allows("api.example.com", "http://api.example.com/"));
    cr_assert(allows("API.Example.com.", "https://api.example.com./"));
    cr_assert(allows("api.example.com", "http://api.example.com:443/"));
    cr_assert(!allows("api.example.com", "https://api.example.com:8443/"));
    cr_assert(!allows("api.example.com", "https://example.com/"));
    cr_assert(!allows("api.example.com", "https://x.api.example.com/"));
    cr_assert(!allows("api.example.com", "https://api.example.com.evil.com/"));
    cr_assert(!allows("api.example.com", "https://xapi.example.com/"));
    cr_assert(!allows("api.example.com", "https://evil.com/api.example.com"));
    cr_assert(!allows("api.example.com", "https://evil.com/?api.example.com"));
}

Test(http_target, allows_exactly_the_port_of_an_entry)
{
    cr_assert(allows("api.example.com:8443", "https://api.example.com:8443/"));
    cr_assert(!allows("api.example.com:8443", "https://api.example.com/"));
    cr_assert(!allows("api.example.com:443", "http://api.example.com/"));
    cr_assert(allows("api.example.com:443", "https://api.example.com/"));
    cr_assert(allows("[2606:4700::1111]:8080", "http://[2606:4700::1111]:8080/"));
    cr_assert(allows("[2606:4700::1111]", "http://[2606:4700::1111]/"));
    cr_assert(!allows("[2606:4700::1111]", "http://[2606:4700::1112]/"));
}

Test(http_target, allows_subdomains_by_a_star)
{
    cr_assert(allows("*.example.com", "https://a.example.com/"));
    cr_assert(allows("*.example.com", "https://a.b.example.com/"));
    cr_assert(allows("*.example.com:8080", "http://a.example.com:8080/"));
    cr_assert(!allows("*.example.com", "https://a.example.com:8080/"));
    cr_assert(!allows("*.example.com", "https://example.com/"));
    cr_assert(!allows("*.example.com", "https://notexample.com/"));
    cr_assert(!allows("*.example.com", "https://example.com.evil.com/"));
}

Test(http_target, lets_malformed_entries_allow_nothing)
{
    static const char *const entries[] = {"*",
                                          "*.",
                                          "",
                                          ".",
                                          "**.example.com",
                                          "*example.com",
                                          "a*.com",
                                          "example.com:",
                                          "example.com:0",
                                          "example.com:99999",
                                          "*:443",
                                          "*.*",
                                          "http://example.com",
                                          "example.com/",
                                          "[example.com]x",
                                          "[::1",
                                          "*.[::1]",
                                          ":443",
                                          "*.:443"};

    for (size_t i = 0; i < ARRAY_LENGTH(entries); i++) {
        cr_assert(!allows(entries[i], "https://example.com/"), "%s", entries[i]);
        cr_assert(!allows(entries[i], "https://a.example.com/"), "%s", entries[i]);
    }
}

Test(http_target, says_who_must_allow_a_host)
{
    struct http_target target = {.host = "api.example.com", .port = 443};
    const char *other = "other.example";
    struct error err;

    cr_assert_eq(http_target_check(&target, NULL, 0, &err), -E_DENIED);
    cr_assert(strstr(err.text, "http_allow") && strstr(err.text, "api.example.com"), "%s",
              err.text);
    cr_assert_eq(http_target_check(&target, &other, 1, &err), -E_DENIED);
    cr_assert(strstr(err.text, "http_allow") && strstr(err.text, "api.example.com"), "%s",
              err.text);
}
