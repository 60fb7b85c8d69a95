/* What is refused, and with which status: each point of docs/http-server.md. */

#include "harness.h"

#include <stdio.h>

#define HOST "Host: x\r\n"

static void smuggling(void)
{
    refused(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"
                 "\r\n0\r\n\r\n");
    refused(400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"
                 "\r\n0\r\n\r\n");
}

Test(refusals, content_length_with_transfer_encoding_is_refused)
{
    serve(NULL, smuggling);
}

static void lengths(void)
{
    refused(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd");
    refused(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc");
    refused(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\nabc");
}

Test(refusals, more_than_one_content_length_is_refused)
{
    serve(NULL, lengths);
}

static void malformed_lengths(void)
{
    static const char *const values[] = {
        "+3", "-3", "0x3", "3 3", "3a", "", " ", "3.0", "99999999999999999999999", "\xB3",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        char request[200];

        snprintf(request, sizeof(request),
                 "POST / HTTP/1.1\r\n" HOST "Content-Length: %s\r\n\r\nabc", values[i]);
        refused(400, request);
    }
}

Test(refusals, a_malformed_content_length_is_refused)
{
    serve(NULL, malformed_lengths);
}

static void codings(void)
{
    refused(501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n");
    refused(501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    refused(501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n");
    refused(501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n");
    refused(501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n");
    refused(400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    refused(400, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

Test(refusals, a_transfer_coding_other_than_one_chunked_is_refused)
{
    serve(NULL, codings);
}

static void hosts(void)
{
    refused(400, "GET / HTTP/1.1\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n");
    refused(400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n");
}

Test(refusals, two_hosts_no_host_and_a_malformed_host_are_refused)
{
    serve(NULL, hosts);
}

static void colons(void)
{
    refused(400, "GET / HTTP/1.1\r\nHost : x\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost\t: x\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\n" HOST "Content-Length : 3\r\n\r\nabc");
}

Test(refusals, white_space_before_the_colon_is_refused)
{
    serve(NULL, colons);
}

static void line_ends(void)
{
    refused(400, "GET / HTTP/1.1\nHost: x\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: x\n\r\n");
    refused(400, "GET / HTTP/1.1\r\nHost: x\r\n\n");
    refused(400, "GET / HTTP/1.1\r\nHost: x\r\rA: b\r\n\r\n");
    refused(400, "GET / HTTP/1.1\rHost: x\r\n\r\n");
    refused(400, "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
    refused(400, "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
}

Test(refusals, bare_lf_and_bare_cr_are_refused)
{
    serve(NULL, line_ends);
}

static void folds(void)
{
    refused(400, "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\n Host: x\r\n\r\n");
}

Test(refusals, folded_header_lines_are_refused)
{
    serve(NULL, folds);
}

static void names(void)
{
    refused(400, "GET / HTTP/1.1\r\n" HOST ": value\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\n" HOST "a(b): c\r\n\r\n");
    refused(400, "GET / HTTP/1.1\r\n" HOST "caf\xC3\xA9: c\r\n\r\n");
}

Test(refusals, empty_and_malformed_header_names_are_refused)
{
    serve(NULL, names);
}

static void controls(void)
{
    for (int c = 0; c < 0x80; c++) {
        char request[] = "GET / HTTP/1.1\r\nHost: x\r\nA: b?c\r\n\r\n";
        char *at = strchr(request, '?');
        struct reply reply;
        int fd;

        if (c == '\r' || c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7F))
            continue;
        *at = (char)c;
        fd = client_open();
        client_send_bytes(fd, request, sizeof(request) - 1);
        reply = client_read(fd);
        cr_assert_eq(reply.status, 400, "byte %02x", c);
        reply_deinit(&reply);
        client_close(&fd);
    }
    accepted("GET|/what|x|", "GET /what HTTP/1.1\r\n" HOST "A: b\tc \xC3\xA9\r\n\r\n");
}

Test(refusals, control_characters_in_values_are_refused_and_tabs_are_not)
{
    serve(NULL, controls);
}

static void escapes(void)
{
    refused(400, "GET /a%00b HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET /a?b=%00 HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET /a%zz HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET /a%4 HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET /a% HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET /a?b=100% HTTP/1.1\r\n" HOST "\r\n");
}

Test(refusals, percent_00_and_bad_percent_escapes_are_refused)
{
    serve(NULL, escapes);
}

static void targets(void)
{
    refused(400, "GET http://x/ HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET x HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET * HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET /a#b HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET /caf\xC3\xA9 HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET /a b HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET /a\tb HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET  / HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "GET /  HTTP/1.1\r\n" HOST "\r\n");
    refused(501, "CONNECT x:443 HTTP/1.1\r\n" HOST "\r\n");
}

Test(refusals, absolute_and_connect_and_malformed_targets_are_refused)
{
    serve(NULL, targets);
}

static void methods(void)
{
    refused(501, "BREW / HTTP/1.1\r\n" HOST "\r\n");
    refused(501, "TRACE / HTTP/1.1\r\n" HOST "\r\n");
    refused(501, "get / HTTP/1.1\r\n" HOST "\r\n");
    refused(501, "PROPFIND / HTTP/1.1\r\n" HOST "\r\n");
    refused(400, "G@T / HTTP/1.1\r\n" HOST "\r\n");
    refused(400, " / HTTP/1.1\r\n" HOST "\r\n");
}

Test(refusals, unknown_methods_are_refused)
{
    serve(NULL, methods);
}

static void versions(void)
{
    refused(400, "GET /\r\n\r\n");
    refused(505, "GET / HTTP/0.9\r\n" HOST "\r\n");
    refused(505, "GET / HTTP/1.2\r\n" HOST "\r\n");
    refused(505, "GET / HTTP/2.0\r\n" HOST "\r\n");
    refused(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    refused(400, "GET / HTTP/1.1x\r\n" HOST "\r\n");
    refused(400, "GET / http/1.1\r\n" HOST "\r\n");
}

Test(refusals, versions_other_than_1_0_and_1_1_are_refused)
{
    serve(NULL, versions);
}

static void expectations(void)
{
    refused(417, "POST / HTTP/1.1\r\n" HOST "Expect: coffee\r\nContent-Length: 3\r\n\r\nabc");
}

Test(refusals, an_expectation_other_than_100_continue_is_refused)
{
    serve(NULL, expectations);
}

static void chunks(void)
{
#define CHUNKED "POST /what HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
    refused(400, CHUNKED "3;a=b\r\nabc\r\n0\r\n\r\n");
    refused(400, CHUNKED "3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n");
    refused(400, CHUNKED "3\r\nabcd\r\n0\r\n\r\n");
    refused(400, CHUNKED "3\nabc\r\n0\r\n\r\n");
    refused(400, CHUNKED "3\r\nabc\n0\r\n\r\n");
    refused(400, CHUNKED "3\r\nabc\rX0\r\n\r\n");
    refused(400, CHUNKED "+3\r\nabc\r\n0\r\n\r\n");
    refused(400, CHUNKED "0x3\r\nabc\r\n0\r\n\r\n");
    refused(400, CHUNKED " 3\r\nabc\r\n0\r\n\r\n");
    refused(400, CHUNKED "\r\nabc\r\n0\r\n\r\n");
    refused(400, CHUNKED "00000000000000003\r\nabc\r\n0\r\n\r\n");
    refused(413, CHUNKED "ffffffffffffff0\r\nabc\r\n0\r\n\r\n");
    accepted("POST|/what|x|abcdef", CHUNKED "3\r\nabc\r\n0000000000000003\r\ndef\r\n0\r\n\r\n");
}

Test(refusals, chunk_extensions_trailers_and_malformed_chunks_are_refused)
{
    serve(NULL, chunks);
}

static const char *json_error(int status, const char *message, struct buf *body)
{
    buf_printf(body, "{\"status\":%d,\"message\":", status);
    buf_add_json_string(body, message);
    buf_add_char(body, '}');
    return "application/json";
}

static void formatted(void)
{
    struct reply reply = ask("GET / HTTP/1.1\r\n\r\n");

    cr_assert_eq(reply.status, 400);
    cr_assert_str_eq(buf_string(&reply.body),
                     "{\"status\":400,\"message\":\"request has no Host\"}");
    cr_assert_str_eq(reply_header(&reply, "Content-Type"), "application/json");
    cr_assert_eq(strlen(reply_header(&reply, "x-request-id")), 36);
    reply_deinit(&reply);
}

Test(refusals, errors_of_the_server_itself_have_the_applications_format)
{
    struct http_server_options options = {.error_body = json_error};

    serve(&options, formatted);
}
