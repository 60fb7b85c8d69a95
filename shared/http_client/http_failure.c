/* curl's results as errors.
 *
 * What matters to a caller is whether the request may have reached the server. curl tells by
 * calling the pre-request function once a connection stands (TLS included) and before the first
 * byte of the request leaves: without that call, nothing was sent, and the error is
 * E_UNAVAILABLE.
 *
 * curl's own text is shown for connection and TLS failures only, where it names no more than host,
 * port and certificate.
 */

#include "shared/http_client/http_internal.h"

static int fail_before_sending(const struct http_transfer *transfer, struct error *err)
{
    const char *text =
        transfer->curl_text[0] ? transfer->curl_text : curl_easy_strerror(transfer->result);

    switch ((int)transfer->result) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_LOGIN_DENIED:
        return error_set(err, E_INVALID, "malformed url (host %s)", transfer->host);
    case CURLE_OPERATION_TIMEDOUT:
        return error_set(err, E_UNAVAILABLE, "no connection to %s within %lld ms", transfer->host,
                         (long long)transfer->call->connect_timeout_ms);
    case CURLE_COULDNT_RESOLVE_HOST:
        return error_set(err, E_UNAVAILABLE, "can't resolve the host name of %s", transfer->host);
    default:
        return error_set(err, E_UNAVAILABLE, "can't connect to %s: %s", transfer->host, text);
    }
}

static int fail_after_sending(const struct http_transfer *transfer, struct error *err)
{
    switch ((int)transfer->result) {
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: anything without a status line */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return error_set(err, E_PROTOCOL, "the reply from %s is not valid HTTP", transfer->host);
    case CURLE_OUT_OF_MEMORY: /* curl's own cap on one header line */
#if LIBCURL_VERSION_NUM >= 0x080600
    case CURLE_TOO_LARGE:
#endif
        return error_set(err, E_LIMIT, "the reply from %s has a header line that is too long",
                         transfer->host);
    default:
        break;
    }
    if (transfer->first_byte_at_ms == 0)
        return error_set(err, E_CLOSED, "%s closed the connection without a reply", transfer->host);
    return error_set(err, E_CLOSED,
                     "%s closed the connection before the reply was complete (%zu body bytes)",
                     transfer->host, transfer->body_bytes);
}

int http_failure(const struct http_transfer *transfer, struct error *err)
{
    if (transfer->failure.code) {
        if (err)
            *err = transfer->failure;
        return -transfer->failure.code;
    }
    return transfer->connected ? fail_after_sending(transfer, err)
                               : fail_before_sending(transfer, err);
}
