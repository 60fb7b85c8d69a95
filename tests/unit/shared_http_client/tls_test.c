/* TLS against openssl s_server with a self-signed certificate. */

#include "http_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct tls_server {
    char folder[64];
    char cert[96];
    char key[96];
    pid_t pid;
    int port;
};

static struct tls_server tls;

static pid_t start(char *const arguments[], int output_fd)
{
    pid_t pid = fork();

    if (pid == 0) {
        dup2(output_fd, 1);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    return pid;
}

static void make_certificate(void)
{
    char *arguments[] = {"openssl",
                         "req",
                         "-x509",
                         "-newkey",
                         "ec",
                         "-pkeyopt",
                         "ec_paramgen_curve:prime256v1",
                         "-nodes",
                         "-subj",
                         "/CN=localhost",
                         "-addext",
                         "subjectAltName=IP:127.0.0.1",
                         "-days",
                         "2",
                         "-keyout",
                         tls.key,
                         "-out",
                         tls.cert,
                         NULL};
    int status;

    cr_assert_eq(waitpid(start(arguments, 2), &status, 0) > 0 && status == 0, 1);
}

static void tls_start(void)
{
    char *arguments[] = {"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert",
                         tls.cert,  "-key",     tls.key,   "-www",        NULL};
    char line[256];
    int output[2];
    FILE *lines;

    snprintf(tls.folder, sizeof(tls.folder), "/tmp/http-client-tls-XXXXXX");
    cr_assert_not_null(mkdtemp(tls.folder));
    snprintf(tls.cert, sizeof(tls.cert), "%s/cert.pem", tls.folder);
    snprintf(tls.key, sizeof(tls.key), "%s/key.pem", tls.folder);
    make_certificate();
    cr_assert_eq(pipe(output), 0);
    tls.pid = start(arguments, output[1]);
    close(output[1]);
    lines = fdopen(output[0], "r");
    while (tls.port == 0 && fgets(line, sizeof(line), lines))
        if (sscanf(line, "ACCEPT 127.0.0.1:%d", &tls.port) == 1)
            break;
    cr_assert_gt(tls.port, 0);
}

static void tls_stop(void)
{
    kill(tls.pid, SIGKILL);
    waitpid(tls.pid, NULL, 0);
    unlink(tls.cert);
    unlink(tls.key);
    rmdir(tls.folder);
}

static int call_tls(struct fixture *f)
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

Test(http_client, refuses_a_certificate_that_nobody_vouches_for, .init = tls_start,
     .fini = tls_stop)
{
    with_server(untrusted, NULL);
}

static void trusted(struct fixture *f)
{
    cr_assert_eq(call_tls(f), 0, "%s", f->err.text);
    cr_assert_eq(f->response.status, 200);
    cr_assert(strstr(f->response.body.ptr, "TLS"), "%s", f->response.body.ptr);
}

Test(http_client, trusts_what_the_ca_file_holds, .init = tls_start, .fini = tls_stop)
{
    struct http_client_options options = {.ca_file = tls.cert};

    with_server(trusted, &options);
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
