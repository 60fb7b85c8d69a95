#include "shared/http_server/framing.h"

#include <string.h>

#include "shared/http_server/http_server.h"

static int refuse(int status, const char *text, const char **why)
{
    *why = text;
    return status;
}

static bool is_host(struct text value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];

        if ((c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') &&
            !strchr(".-_~%:[]!$&'()*+;=", c))
            return false;
    }
    return true;
}

static bool is_decimal(struct text value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
    return value.len > 0;
}

int http_framing_take(struct http_framing *framing, const struct http_field *field,
                      const char **why)
{
    if (text_is_nocase(field->name, "host")) {
        framing->hosts++;
        if (!is_host(field->value))
            return refuse(400, "Host has a character that it must not have", why);
    } else if (text_is_nocase(field->name, "content-length")) {
        framing->lengths++;
        if (!is_decimal(field->value))
            return refuse(400, "Content-Length must be one decimal number", why);
    } else if (text_is_nocase(field->name, "transfer-encoding")) {
        framing->codings++;
        if (!text_is_nocase(field->value, "chunked"))
            return refuse(501, "Transfer-Encoding must be chunked", why);
    } else if (text_is_nocase(field->name, "expect")) {
        if (!text_is_nocase(field->value, "100-continue"))
            return refuse(417, "Expect must be 100-continue", why);
        framing->expects_continue = true;
    } else if (text_is_nocase(field->name, "x-request-id")) {
        framing->request_id = field->value;
    }
    return 0;
}

int http_framing_check(const struct http_framing *framing, bool http_1_0, const char **why)
{
    if (framing->hosts > 1)
        return refuse(400, "request has more than one Host", why);
    if (framing->hosts == 0 && !http_1_0)
        return refuse(400, "request has no Host", why);
    if (framing->lengths > 1)
        return refuse(400, "request has more than one Content-Length", why);
    if (framing->codings > 1)
        return refuse(400, "request has more than one Transfer-Encoding", why);
    if (framing->lengths > 0 && framing->codings > 0)
        return refuse(400, "request has Content-Length and Transfer-Encoding", why);
    if (framing->codings > 0 && http_1_0)
        return refuse(400, "HTTP/1.0 requests must not have Transfer-Encoding", why);
    return 0;
}
