/* Entries of allow-lists: their forms. What they allow is tested with the tool that asks. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/net/host_entry.h"

static struct host_entry must_parse(const char *text)
{
    struct host_entry entry = {.port = -1};

    cr_assert_eq(host_entry_parse(text_of(text), &entry, NULL), 0, "%s", text);
    return entry;
}

Test(host_entry, has_a_host_a_port_and_a_star_for_subdomains)
{
    struct host_entry entry = must_parse("example.com");

    cr_assert(text_is(entry.host, "example.com") && entry.port == 0 && !entry.subdomains);
    entry = must_parse("*.example.com.:8080");
    cr_assert(text_is(entry.host, "example.com") && entry.port == 8080 && entry.subdomains);
    entry = must_parse("[::1]:80");
    cr_assert(text_is(entry.host, "::1") && entry.port == 80 && !entry.subdomains);
    entry = must_parse("[2606:4700::1111]");
    cr_assert(text_is(entry.host, "2606:4700::1111") && entry.port == 0);
    entry = must_parse("localhost:65535");
    cr_assert_eq(entry.port, 65535);
    entry = must_parse("my_service");
    cr_assert(host_entry_allows(&entry, TEXT("MY_service"), 80));
    cr_assert(!host_entry_allows(&entry, TEXT("my_service"), 81));
}

Test(host_entry, that_is_malformed_is_refused)
{
    static const char *const entries[] = {"",
                                          "*",
                                          "*.",
                                          ".",
                                          "**.example.com",
                                          "a*.com",
                                          "*example.com",
                                          "example.com:",
                                          "example.com:0",
                                          "example.com:65536",
                                          "*:443",
                                          "*.*",
                                          "http://x.com",
                                          "x.com/",
                                          "[example.com]x",
                                          "[::1",
                                          "*.[::1]",
                                          ":443",
                                          "*.:443",
                                          "a..b",
                                          ".a",
                                          "a b",
                                          "user@x.com",
                                          "x.com?q",
                                          "\xC3\xA9.com"};
    struct host_entry entry;
    struct error err;

    for (size_t i = 0; i < ARRAY_LENGTH(entries); i++) {
        cr_assert_eq(host_entry_parse(text_of(entries[i]), &entry, &err), -E_INVALID, "%s",
                     entries[i]);
        cr_assert(strstr(err.text, "is no host"), "%s", err.text);
    }
}
