/* Trace ids from traceparent: version, trace-id, parent-id and flags in lower-case hex, joined by
 * dashes. Versions after 00 may add fields; an id of zeros only is invalid. */

#include "scheduler/api/trace.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/text.h"
#include "shared/http_server/http_server.h"

#define TRACE_ID_AT  3
#define TRACE_ID_LEN 32
#define FIELDS_LEN   55

static bool is_hex(struct text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!strchr("0123456789abcdef", text.ptr[i]) || !text.ptr[i])
            return false;
    return true;
}

static bool is_traceparent(struct text header)
{
    struct text id;

    if (header.len < FIELDS_LEN)
        return false;
    id = (struct text){header.ptr + TRACE_ID_AT, TRACE_ID_LEN};
    return is_hex((struct text){header.ptr, 2}) && !text_starts(header, "ff") &&
           header.ptr[2] == '-' && is_hex(id) && header.ptr[TRACE_ID_AT + TRACE_ID_LEN] == '-' &&
           strspn(id.ptr, "0") < TRACE_ID_LEN;
}

void trace_of(const struct http_exchange *exchange, char out[TRACE_SIZE])
{
    struct text header = http_header_get(exchange, "traceparent");

    if (is_traceparent(header))
        snprintf(out, TRACE_SIZE, "%.*s", TRACE_ID_LEN, header.ptr + TRACE_ID_AT);
    else
        snprintf(out, TRACE_SIZE, "%s", exchange->request_id);
}
