/* TLS against openssl s_server with a self-signed certificate. */

#include "http_test.h"

#include <curl/curl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "tls_support.h"

static struct tls_server tls;

static void set_up(void)
{
    tls_server_start(&tls, TLS_S_SERVER);
}

static void tear_down(void)
{
    tls_server_stop(&tls);
}

SUSPENDS static int call_tls(struct fixture *f)
{
    char url[64];

    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", tls.port);
    return do_call(f, (struct http_call){.url = url, .total_timeout_ms = 5000}, NULL);
}

static void untrusted(struct fixture *f)
{
    cr_assert_eq(call_tls(f), -E_UNAVAILABLE, "%s", f->err.text);
    cr_assert(strstr(f->err.text, "certificate"), "%s", f->err.text);
}

Test(http_client, refuses_a_certificate_that_nobody_vouches_for, .init = set_up, .fini = tear_down)
{
    with_server(untrusted, NULL);
}

SUSPENDS static clock_t cpu_of_call(struct fixture *f)
{
    clock_t start = clock();

    (void)!call_tls(f);
    return clock() - start;
}

/* The system's certificates are some hundred: what they cost is most of the first call. */
static void read_once(struct fixture *f)
{
    clock_t first = cpu_of_call(f);
    clock_t least = first;

    for (int i = 0; i < 5; i++) {
        clock_t again = cpu_of_call(f);

        least = again < least ? again : least;
    }
    cr_assert_lt(least, first / 2, "the first took %ld us, and another one %ld", (long)first,
                 (long)least);
}

Test(http_client, reads_the_systems_certificates_once, .init = set_up, .fini = tear_down)
{
    const char *file = curl_version_info(CURLVERSION_NOW)->cainfo;

    if (!file || access(file, R_OK) < 0)
        cr_skip_test("the system has no file of certificates");
    with_server(read_once, NULL);
}

static void trusted(struct fixture *f)
{
    cr_assert_eq(call_tls(f), 0, "%s", f->err.text);
    cr_assert_eq(f->response.status, 200);
    cr_assert(strstr(f->response.body.ptr, "TLS"), "%s", f->response.body.ptr);
}

Test(http_client, trusts_what_the_ca_file_holds, .init = set_up, .fini = tear_down)
{
    struct http_client_options options = {.ca_file = tls.cert};

    with_server(trusted, &options);
}

/* The certificate is for 127.0.0.1; a pin does not change whom it must name. */
static void pinned(struct fixture *f)
{
    struct address pin;
    char url[64];
    struct http_call call = {.pin = &pin, .total_timeout_ms = 5000, .url = url};

    cr_assert_eq(address_parse("127.0.0.1", tls.port, &pin, NULL), 0);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", tls.port);
    cr_assert_eq(do_call(f, call, NULL), 0, "%s", f->err.text);
    snprintf(url, sizeof(url), "https://other.test:%d/", tls.port);
    cr_assert_eq(do_call(f, call, NULL), -E_UNAVAILABLE, "%s", f->err.text);
}

Test(http_client, checks_the_name_in_the_certificate_of_a_pinned_server, .init = set_up,
     .fini = tear_down)
{
    struct http_client_options options = {.ca_file = tls.cert};

    with_server(pinned, &options);
}

static void plain_port(struct fixture *f)
{
    char url[64];

    snprintf(url, sizeof(url), "https://127.0.0.1:%d/ok", f->server.port);
    cr_assert_eq(
        do_call(f,
                (struct http_call){.url = url, .connect_timeout_ms = 300, .total_timeout_ms = 5000},
                NULL),
        -E_UNAVAILABLE, "%s", f->err.text);
}

Test(http_client, says_unavailable_when_the_server_speaks_no_tls)
{
    with_server(plain_port, NULL);
}
