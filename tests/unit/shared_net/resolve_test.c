/* Names to addresses, and the guard over them. */

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <strings.h>

#include "shared/base/error.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"
#include "shared/net/guard.h"
#include "shared/net/resolve.h"

static atomic_size_t lookups;

/* Stands before the C library's: counts, and knows one name more. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    atomic_fetch_add(&lookups, 1);
    return real(strcasecmp(host, "one.test") == 0 ? "192.0.2.1" : host, service, hints, out);
}

static void on_loop(fiber_fn fn)
{
    loop_run(fn, NULL);
}

static void assert_text(const struct address *address, const char *expected)
{
    char text[ADDRESS_TEXT_SIZE];

    address_format(address, text);
    cr_assert_str_eq(text, expected);
}

static void resolve_numeric(void *arg)
{
    struct resolved out;

    (void)arg;
    cr_assert_eq(resolve_host("192.0.2.7", 80, DEADLINE_NONE, &out, NULL), 0);
    cr_assert_eq(out.count, 1);
    assert_text(&out.addresses[0], "192.0.2.7:80");
    cr_assert_eq(resolve_host("2001:db8::1", 443, DEADLINE_NONE, &out, NULL), 0);
    assert_text(&out.addresses[0], "[2001:db8::1]:443");
    cr_assert_eq(resolve_host("/tmp/x.sock", 0, DEADLINE_NONE, &out, NULL), 0);
    assert_text(&out.addresses[0], "unix:/tmp/x.sock");
}

Test(resolve, takes_numeric_addresses_and_unix_paths_as_they_are)
{
    on_loop(resolve_numeric);
}

static void resolve_name(void *arg)
{
    struct resolved out;
    struct error err;

    (void)arg;
    cr_assert_eq(resolve_host("one.test", 8080, deadline_in(60000), &out, &err), 0);
    cr_assert_eq(out.count, 1);
    assert_text(&out.addresses[0], "192.0.2.1:8080");
    cr_assert_eq(lookups, 1);
    offload_stop();
}

Test(resolve, finds_the_addresses_of_a_name)
{
    on_loop(resolve_name);
}

static void resolve_localhost(void *arg)
{
    static const char *const hosts[] = {"localhost", "LocalHost.", "api.localhost"};
    static const char *const others[] = {"notlocalhost.invalid", "localhost.invalid", "xlocalhost"};
    struct resolved out;
    struct error err;

    (void)arg;
    for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
        cr_assert_eq(resolve_host(hosts[i], 8080, DEADLINE_NONE, &out, &err), 0);
        cr_assert_eq(out.count, 2);
        assert_text(&out.addresses[0], "127.0.0.1:8080");
        assert_text(&out.addresses[1], "[::1]:8080");
    }
    cr_assert_eq(lookups, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        IGNORE(resolve_host(others[i], 80, deadline_in(60000), &out, &err));
    cr_assert_eq(lookups, ARRAY_LENGTH(others));
    offload_stop();
}

Test(resolve, localhost_is_loopback_whatever_the_system_says)
{
    on_loop(resolve_localhost);
}

static void resolve_nothing(void *arg)
{
    struct resolved out = {.count = 77};
    struct error err;
    char long_name[300] = "";
    int r;

    (void)arg;
    /* A network without a name server says "unreachable", one with it "no such name". */
    r = resolve_host("nothing.invalid", 80, deadline_in(8000), &out, &err);
    cr_assert(r == -E_NOT_FOUND || r == -E_UNAVAILABLE, "%d", r);
    cr_assert(strstr(err.text, "nothing.invalid"), "%s", err.text);
    memset(long_name, 'a', sizeof(long_name) - 1);
    cr_assert_eq(resolve_host(long_name, 80, DEADLINE_NONE, &out, NULL), -E_NOT_FOUND);
    cr_assert_eq(resolve_host("", 80, DEADLINE_NONE, &out, NULL), -E_NOT_FOUND);
    cr_assert_eq(resolve_host("localhost", 65536, DEADLINE_NONE, &out, NULL), -E_INVALID);
    long_name[0] = '/';
    cr_assert_eq(resolve_host(long_name, 80, DEADLINE_NONE, &out, NULL), -E_INVALID);
    cr_assert_eq(out.count, 77);
    offload_stop();
}

Test(resolve, says_what_is_wrong_and_leaves_the_output_alone)
{
    on_loop(resolve_nothing);
}

static void resolve_too_late(void *arg)
{
    struct resolved out;

    (void)arg;
    cr_assert_eq(resolve_host("one.test", 80, clock_ms() - 1, &out, NULL), -E_TIMEOUT);
    offload_stop();
}

Test(resolve, gives_up_at_the_deadline)
{
    on_loop(resolve_too_late);
}

static void resolve_canceled(void *arg)
{
    struct resolved out;

    (void)arg;
    fiber_cancel(fiber_self());
    cr_assert_eq(resolve_host("one.test", 80, DEADLINE_NONE, &out, NULL), -E_CANCELED);
    offload_stop();
}

Test(resolve, ends_with_a_cancel)
{
    on_loop(resolve_canceled);
}

/* Spellings of loopback that a filter on text would let pass. */
static void guard_spellings(void *arg)
{
    static const char *const hosts[] = {
        "localhost", "LOCALHOST", "127.0.0.1",        "2130706433",  "0x7f.1", "0177.0.0.1",
        "127.1",     "::1",       "::ffff:127.0.0.1", "/run/x.sock", "0"};
    struct resolved out;
    struct error err;

    (void)arg;
    for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++)
        cr_assert_eq(guard_resolve(NULL, hosts[i], 80, deadline_in(5000), &out, &err), -E_DENIED,
                     "%s", hosts[i]);
    cr_assert_eq(guard_resolve(NULL, "0x08080808", 80, deadline_in(5000), &out, &err), 0);
    assert_text(&out.addresses[0], "8.8.8.8:80");
    offload_stop();
}

Test(guard_resolve, refuses_loopback_in_every_spelling)
{
    on_loop(guard_spellings);
}

static int guarded(const char *exception, const char *host, int port)
{
    struct guard_options options = {&exception, 1};
    struct resolved out;

    return guard_resolve(&options, host, port, deadline_in(5000), &out, NULL);
}

static void guard_exceptions(void *arg)
{
    (void)arg;
    cr_assert_eq(guarded("localhost:8080", "localhost", 8080), 0);
    cr_assert_eq(guarded("localhost.:8080", "LocalHost", 8080), 0);
    cr_assert_eq(guarded("localhost:8080", "localhost", 8081), -E_DENIED);
    cr_assert_eq(guarded("localhost:8080", "127.0.0.1", 8080), -E_DENIED);
    cr_assert_eq(guarded("ocalhost:8080", "localhost", 8080), -E_DENIED);
    cr_assert_eq(guarded("127.0.0.1:8080", "2130706433", 8080), 0);
    cr_assert_eq(guarded("127.0.0.0/8", "127.1", 8080), 0);
    offload_stop();
}

Test(guard_resolve, lets_exceptions_by_name_address_and_prefix_pass)
{
    on_loop(guard_exceptions);
}
