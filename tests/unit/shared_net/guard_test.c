/* The SSRF guard: each row of the IANA special-purpose registries at its first and last address,
 * and the public addresses just outside. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/net/guard.h"

struct row {
    const char *address;
    const char *what; /* NULL: public */
};

static struct address parse(const char *text)
{
    struct address address;

    cr_assert_eq(address_parse(text, 443, &address, NULL), 0, "%s", text);
    return address;
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct address address = parse(rows[i].address);
        struct error err = {0};
        int r = guard_check_address(NULL, &address, &err);

        if (!rows[i].what) {
            cr_assert_eq(r, 0, "%s should pass: %s", rows[i].address, err.text);
            continue;
        }
        cr_assert_eq(r, -E_DENIED, "%s should be refused", rows[i].address);
        cr_assert(strstr(err.text, rows[i].what), "%s: %s", rows[i].address, err.text);
    }
}

Test(guard, judges_every_special_ipv4_range_at_its_edges)
{
    static const struct row rows[] = {
        {"0.0.0.0", "this network"},
        {"0.255.255.255", "this network"},
        {"1.0.0.0", NULL},
        {"9.255.255.255", NULL},
        {"10.0.0.0", "private"},
        {"10.255.255.255", "private"},
        {"11.0.0.0", NULL},
        {"100.63.255.255", NULL},
        {"100.64.0.0", "carrier"},
        {"100.127.255.255", "carrier"},
        {"100.128.0.0", NULL},
        {"126.255.255.255", NULL},
        {"127.0.0.0", "loopback"},
        {"127.255.255.255", "loopback"},
        {"128.0.0.0", NULL},
        {"169.253.255.255", NULL},
        {"169.254.0.0", "link-local"},
        {"169.254.169.254", "metadata"},
        {"169.254.255.255", "link-local"},
        {"169.255.0.0", NULL},
        {"172.15.255.255", NULL},
        {"172.16.0.0", "private"},
        {"172.31.255.255", "private"},
        {"172.32.0.0", NULL},
        {"191.255.255.255", NULL},
        {"192.0.0.0", "IETF"},
        {"192.0.0.8", "IETF"},
        {"192.0.0.9", "IETF"},
        {"192.0.0.10", "IETF"},
        {"192.0.0.170", "IETF"},
        {"192.0.0.255", "IETF"},
        {"192.0.1.0", NULL},
        {"192.0.1.255", NULL},
        {"192.0.2.0", "documentation"},
        {"192.0.2.255", "documentation"},
        {"192.0.3.0", NULL},
        {"192.31.195.255", NULL},
        {"192.31.196.0", "AS112"},
        {"192.31.196.255", "AS112"},
        {"192.31.197.0", NULL},
        {"192.52.192.255", NULL},
        {"192.52.193.0", "AMT"},
        {"192.52.193.255", "AMT"},
        {"192.52.194.0", NULL},
        {"192.88.98.255", NULL},
        {"192.88.99.0", "6to4"},
        {"192.88.99.255", "6to4"},
        {"192.88.100.0", NULL},
        {"192.167.255.255", NULL},
        {"192.168.0.0", "private"},
        {"192.168.255.255", "private"},
        {"192.169.0.0", NULL},
        {"192.175.47.255", NULL},
        {"192.175.48.0", "AS112"},
        {"192.175.48.255", "AS112"},
        {"192.175.49.0", NULL},
        {"198.17.255.255", NULL},
        {"198.18.0.0", "benchmarking"},
        {"198.19.255.255", "benchmarking"},
        {"198.20.0.0", NULL},
        {"198.51.99.255", NULL},
        {"198.51.100.0", "documentation"},
        {"198.51.100.255", "documentation"},
        {"198.51.101.0", NULL},
        {"203.0.112.255", NULL},
        {"203.0.113.0", "documentation"},
        {"203.0.113.255", "documentation"},
        {"203.0.114.0", NULL},
        {"223.255.255.255", NULL},
        {"224.0.0.0", "multicast"},
        {"239.255.255.255", "multicast"},
        {"240.0.0.0", "reserved"},
        {"255.255.255.254", "reserved"},
        {"255.255.255.255", "broadcast"},
        {"8.8.8.8", NULL},
    };

    check_rows(rows, ARRAY_LENGTH(rows));
}

Test(guard, judges_every_special_ipv6_range_at_its_edges)
{
    static const struct row rows[] = {
        {"::", "unspecified"},
        {"::1", "loopback"},
        {"64:ff9b:1::", "local NAT64"},
        {"64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "local NAT64"},
        {"64:ff9b:2::", "reserved"},
        {"64:ff9b:0:0:0:1::", "reserved"},
        {"100::", "discard"},
        {"100::ffff:ffff:ffff:ffff", "discard"},
        {"100:0:0:1::", "dummy"},
        {"100:0:0:1:ffff:ffff:ffff:ffff", "dummy"},
        {"100:0:0:2::", "reserved"},
        {"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"},
        {"2000::", NULL},
        {"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
        {"2001:1::1", "IETF"},
        {"2001:1::2", "IETF"},
        {"2001:1::3", "IETF"},
        {"2001:2::", "IETF"},
        {"2001:2:0:ffff:ffff:ffff:ffff:ffff", "IETF"},
        {"2001:3::1", "IETF"},
        {"2001:4:112::1", "IETF"},
        {"2001:10::1", "IETF"},
        {"2001:20::1", "IETF"},
        {"2001:30::1", "IETF"},
        {"2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "IETF"},
        {"2001:200::", NULL},
        {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
        {"2001:db8::", "documentation"},
        {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"},
        {"2001:db9::", NULL},
        {"2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", NULL},
        {"2620:4f:8000::", "AS112"},
        {"2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "AS112"},
        {"2620:4f:8001::", NULL},
        {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
        {"3fff::", "documentation"},
        {"3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"},
        {"3fff:1000::", NULL},
        {"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
        {"4000::", "reserved"},
        {"5eff:ffff::", "reserved"},
        {"5f00::", "segment routing"},
        {"5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "segment routing"},
        {"5f01::", "reserved"},
        {"fbff:ffff::", "reserved"},
        {"fc00::", "unique local"},
        {"fd00:ec2::254", "unique local"},
        {"fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique local"},
        {"fe00::", "reserved"},
        {"fe80::", "link-local"},
        {"febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"},
        {"fec0::", "site-local"},
        {"feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local"},
        {"ff00::", "multicast"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"},
        {"2606:4700:4700::1111", NULL},
    };

    check_rows(rows, ARRAY_LENGTH(rows));
}

Test(guard, judges_ipv6_forms_by_the_ipv4_address_they_embed)
{
    static const struct row rows[] = {
        {"::ffff:127.0.0.1", "loopback"},
        {"::ffff:169.254.169.254", "metadata"},
        {"::ffff:8.8.8.8", NULL},
        {"::ffff:0.0.0.1", "this network"},
        {"::127.0.0.1", "loopback"},
        {"::10.0.0.1", "private"},
        {"::0.0.0.2", "this network"},
        {"::8.8.8.8", NULL},
        {"::ffff:0:8.8.8.8", "reserved"}, /* SIIT, RFC 2765: not routable */
        {"64:ff9b::192.168.0.1", "private"},
        {"64:ff9b::10.0.0.1", "private"},
        {"64:ff9b::8.8.8.8", NULL},
        {"2002:7f00:1::1", "loopback"},
        {"2002:a9fe:a9fe::", "metadata"},
        {"2002:c0a8:101:1::1", "private"},
        {"2002:808:808::1", NULL},
        {"2001:0:a00:1::", "private"},                        /* Teredo server 10.0.0.1 */
        {"2001:0:808:808:0:0:80ff:fffe", "loopback"},         /* client ~7f000001 */
        {"2001:0:808:808:0:0:f7f7:f7f7", NULL},               /* client ~8.8.8.8 */
        {"2001:0:808:808:8000:ffff:5601:5601", "link-local"}, /* client ~169.254.169.254 */
    };

    check_rows(rows, ARRAY_LENGTH(rows));
}

Test(guard, refuses_what_is_no_internet_address)
{
    struct address address = parse("/run/postgres.sock");
    struct address none = {0};

    cr_assert_eq(guard_check_address(NULL, &address, NULL), -E_DENIED);
    cr_assert_eq(guard_check_address(NULL, &none, NULL), -E_DENIED);
}

static bool passes(const char *exception, const char *text, int port)
{
    struct guard_options options = {&exception, 1};
    struct address address;
    struct error err = {0};

    cr_assert_eq(address_parse(text, port, &address, NULL), 0);
    return guard_check_address(&options, &address, &err) == 0;
}

Test(guard, lets_an_exception_by_prefix_pass)
{
    cr_assert(passes("10.1.0.0/16", "10.1.255.255", 80));
    cr_assert(passes("10.1.0.0/16", "::ffff:10.1.2.3", 80));
    cr_assert(passes("127.0.0.1/32", "127.0.0.1", 1));
    cr_assert(passes("10.0.0.0/9", "10.127.255.255", 80));
    cr_assert(!passes("10.0.0.0/9", "10.128.0.0", 80));
    cr_assert(!passes("10.1.0.0/16", "10.2.0.0", 80));
    cr_assert(!passes("10.1.0.0/16", "64:ff9b::10.1.2.3", 80));
    cr_assert(passes("fd00::/8", "fd12::1", 80));
    cr_assert(!passes("fd00::/8", "fc00::1", 80));
    cr_assert(passes("::1/128", "::1", 80));
    cr_assert(passes("0.0.0.0/0", "192.168.1.1", 80));
    cr_assert(!passes("0.0.0.0/0", "::1", 80));
}

Test(guard, lets_an_exception_by_address_and_port_pass)
{
    cr_assert(passes("127.0.0.1:8080", "127.0.0.1", 8080));
    cr_assert(!passes("127.0.0.1:8080", "127.0.0.1", 8081));
    cr_assert(!passes("127.0.0.1:8080", "127.0.0.2", 8080));
    cr_assert(passes("[::1]:8080", "::1", 8080));
    cr_assert(!passes("[::1]:8080", "::1", 80));
}

Test(guard, ignores_exceptions_that_are_malformed)
{
    static const char *const bad[] = {"",       "127.0.0.1",     "127.0.0.1/",    "127.0.0.1/33",
                                      "/8",     "127.0.0.1/-1",  "127.0.0.1/8x",  "127.0.0.1:",
                                      "*",      "127.0.0.1:0x1", "127.0.0.1/8/8", "localhost/8",
                                      "::1/129"};

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        cr_assert(!passes(bad[i], "127.0.0.1", 80), "%s", bad[i]);
        cr_assert_eq(guard_check_exception(bad[i], NULL), -E_INVALID, "%s", bad[i]);
    }
}

Test(guard, tells_well_formed_exceptions_from_others)
{
    static const char *const good[] = {"localhost:80", "[::1]:65535", "10.0.0.0/8", "::/0",
                                       "a.b:1"};
    static const char *const bad[] = {"localhost:0", "::1:80", "localhost:65536", ":80",
                                      "http://a:80"};

    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        cr_assert_eq(guard_check_exception(good[i], NULL), 0, "%s", good[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        cr_assert_eq(guard_check_exception(bad[i], NULL), -E_INVALID, "%s", bad[i]);
}
