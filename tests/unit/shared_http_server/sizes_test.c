/* Sizes: what the client reads when it goes over them. */

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"

#define HOST "Host: x\r\n"

static char *repeated(const char *before, char c, size_t count, const char *after)
{
    size_t head = strlen(before);
    char *text = xmalloc(head + count + strlen(after) + 1);

    memcpy(text, before, head);
    memset(text + head, c, count);
    memcpy(text + head + count, after, strlen(after) + 1);
    return text;
}

static void lines(void)
{
    /* "GET /" and " HTTP/1.1" are 14 bytes of the line. */
    char *fits = repeated("GET /", 'a', 8192 - 14, " HTTP/1.1\r\n" HOST "\r\n");
    char *over = repeated("GET /", 'a', 8192 - 13, " HTTP/1.1\r\n" HOST "\r\n");
    char *endless = repeated("GET /", 'a', 100000, "");
    struct reply reply = ask(fits);

    cr_assert_eq(reply.status, 200);
    reply_deinit(&reply);
    refused(414, over);
    refused(414, endless);
    free(fits);
    free(over);
    free(endless);
}

Test(sizes, a_request_line_over_its_limit_is_refused_with_414)
{
    serve(NULL, lines);
}

static void header_bytes(void)
{
    char *fits = repeated("GET /what HTTP/1.1\r\n" HOST "A: ", 'a', 32768 - 14, "\r\n\r\n");
    char *over = repeated("GET /what HTTP/1.1\r\n" HOST "A: ", 'a', 32768, "\r\n\r\n");
    char *endless = repeated("GET /what HTTP/1.1\r\n" HOST, 'a', 300000, "");

    accepted("GET|/what|x|", fits);
    refused(431, over);
    refused(431, endless);
    free(fits);
    free(over);
    free(endless);
}

Test(sizes, headers_over_their_limit_are_refused_with_431)
{
    serve(NULL, header_bytes);
}

static void header_count(void)
{
    CLEANUP(buf_deinit) struct buf request;

    buf_init(&request, 0);
    buf_add_string(&request, "GET /what HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 99; i++)
        buf_printf(&request, "H%d: x\r\n", i);
    buf_add_string(&request, "\r\n");
    accepted("GET|/what|x|", buf_string(&request));
    request.len -= 2;
    buf_add_string(&request, "One-more: x\r\n\r\n");
    refused(431, buf_string(&request));
}

Test(sizes, more_headers_than_the_limit_are_refused_with_431)
{
    serve(NULL, header_count);
}

static void body_said(void)
{
    int fd = client_open();
    struct reply reply;

    /* Not one byte of the body is sent. */
    client_send(fd, "POST /what HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n");
    reply = client_read(fd);
    cr_assert_eq(reply.status, 413);
    cr_assert_str_eq(buf_string(&reply.body), "request body is larger than 1000 bytes\n");
    reply_deinit(&reply);
    client_close(&fd);
    refused(413, "POST /what HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                 "Content-Length: 1001\r\n\r\n");
}

Test(sizes, a_content_length_over_the_limit_is_refused_with_413_before_the_body_is_read)
{
    struct http_server_options options = {.max_body_bytes = 1000};

    serve(&options, body_said);
}

static void body_sent(void)
{
    char *body = repeated("POST /what HTTP/1.1\r\n" HOST "Content-Length: 20000000\r\n\r\n", 'b',
                          20000000, "");
    int fd = client_open();
    struct reply reply;

    /* As simple clients do: all of it is sent before the reply is looked at. */
    client_send(fd, body);
    reply = client_read(fd);
    cr_assert_eq(reply.status, 413);
    cr_assert_not(reply.cut);
    reply_deinit(&reply);
    client_close(&fd);
    free(body);
}

Test(sizes, a_client_that_keeps_sending_can_read_its_413)
{
    serve(NULL, body_sent);
}

static void body_chunked(void)
{
    CLEANUP(buf_deinit) struct buf request;

    buf_init(&request, 0);
    buf_add_string(&request, "POST /what HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 101; i++)
        buf_add_string(&request, "a\r\n0123456789\r\n");
    buf_add_string(&request, "0\r\n\r\n");
    refused(413, buf_string(&request));
}

Test(sizes, a_chunked_body_over_the_limit_is_refused_with_413)
{
    struct http_server_options options = {.max_body_bytes = 1000};

    serve(&options, body_chunked);
}

static void body_fits(void)
{
    char *request = repeated("POST /what HTTP/1.1\r\n" HOST "Content-Length: 4194304\r\n\r\n", 'b',
                             4194304, "");
    struct reply reply = ask(request);

    cr_assert_eq(reply.status, 200);
    cr_assert_eq(reply.body.len, 4194304 + strlen("POST|/what|x|"));
    cr_assert_eq(reply.body.ptr[reply.body.len - 1], 'b');
    reply_deinit(&reply);
    free(request);
}

Test(sizes, a_body_of_exactly_the_limit_is_served)
{
    serve(NULL, body_fits);
}
