/* The failures of requests, and their bodies.
 *
 * Messages repeat a little of what the client sent (a field's name, a wrong value): text_excerpt
 * cuts it between characters, so that the body stays valid UTF-8 whatever came in. What the store
 * says is for our log alone: it may hold SQL, and a client can do nothing with it.
 */

#include "shared/check/failure.h"

#include <stdarg.h>
#include <stdio.h>

#include "shared/base/error.h"
#include "shared/base/utf8.h"

void path_format(const struct path *path, char *out, size_t size)
{
    const struct path *chain[16];
    size_t depth = 0;
    size_t at = 0;

    out[0] = '\0';
    for (; path && depth < ARRAY_LENGTH(chain); path = path->parent)
        chain[depth++] = path;
    while (depth-- > 0) {
        char piece[72];

        if (chain[depth]->name)
            text_excerpt(text_of(chain[depth]->name), piece, sizeof(piece));
        else
            snprintf(piece, sizeof(piece), "[%zu]", chain[depth]->index);
        if (at + strlen(piece) + 2 > size)
            return;
        at += (size_t)snprintf(out + at, size - at, "%s%s", at && chain[depth]->name ? "." : "",
                               piece);
    }
}

static const char *type_of(int status)
{
    switch (status) {
    case 401:
        return "invalid_request_error";
    case 409:
        return "conflict_error";
    case 429:
        return "rate_limit_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

PRINTF(4, 0)
static int fill(struct failure *failure, int status, const char *code, const char *format,
                va_list args)
{
    char text[sizeof(failure->message) + 64];

    utf8_vformat(text, sizeof(text), format, args);
    text_excerpt(text_of(text), failure->message, sizeof(failure->message));
    failure->status = status;
    failure->type = type_of(status);
    failure->code = code;
    failure->retry = RETRY_UNSAID;
    failure->retry_after_s = 0;
    failure->retry_after_ms = 0;
    failure->ambiguous = false;
    failure->param[0] = '\0';
    failure->cause[0] = '\0';
    return -E_INVALID;
}

int failure_set(struct failure *failure, int status, const struct path *path, const char *code,
                const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fill(failure, status, code, format, args);
    va_end(args);
    path_format(path, failure->param, sizeof(failure->param));
    return -E_INVALID;
}

int failure_param(struct failure *failure, int status, const char *param, const char *code,
                  const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fill(failure, status, code, format, args);
    va_end(args);
    if (param)
        text_excerpt(text_of(param), failure->param, sizeof(failure->param));
    return -E_INVALID;
}

int failure_missing(struct failure *failure, const char *what, struct text id)
{
    char shown[64];

    text_excerpt(id, shown, sizeof(shown));
    return failure_param(failure, 404, NULL, NULL, "No %s found with id '%s'.", what, shown);
}

static bool passes_by_itself(int code)
{
    return code == E_UNAVAILABLE || code == E_TIMEOUT || code == E_AMBIGUOUS ||
           code == E_CANCELED || code == E_CLOSED;
}

int failure_from_error(struct failure *failure, const struct error *err)
{
    if (err->code == E_LIMIT) {
        failure_param(failure, 400, NULL, NULL,
                      "This is too large for one request: ask for less at once, with a smaller "
                      "'limit' or fewer messages.");
    } else if (passes_by_itself(err->code)) {
        failure_param(failure, 503, NULL, "service_unavailable",
                      "The database can't be reached at the moment. Please try again.");
        failure->retry = RETRY_YES;
        failure->retry_after_s = 1;
    } else {
        failure_param(failure, 500, NULL, NULL,
                      "The server had an error while processing your request. Its log says more "
                      "under the id in the x-request-id header.");
    }
    failure->ambiguous =
        err->code == E_AMBIGUOUS || err->code == E_TIMEOUT || err->code == E_CANCELED;
    text_excerpt(text_of(err->text), failure->cause, sizeof(failure->cause));
    return -E_INVALID;
}

void failure_render(const struct failure *failure, struct buf *body)
{
    buf_add_string(body, "{\"error\":{\"message\":");
    buf_add_json_string(body, failure->message);
    buf_add_string(body, ",\"type\":");
    buf_add_json_string(body, failure->type);
    buf_add_string(body, ",\"param\":");
    buf_add_json_string(body, failure->param[0] ? failure->param : NULL);
    buf_add_string(body, ",\"code\":");
    buf_add_json_string(body, failure->code);
    buf_add_string(body, "}}");
}
