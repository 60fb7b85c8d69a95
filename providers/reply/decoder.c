/* One reply while it arrives.
 *
 * A body is a stream of events when it begins as one: "data:", "event:", "id:", "retry:" or a
 * comment for server-sent events, a line that is a JSON object for lines of JSON. Everything else
 * is collected, since an error may be any text. That a stream ended is known by what the provider
 * says (DECODE_COMPLETE) or, where it said why it ends, by the end of the body. One that ends
 * before is cut: nothing of it counts.
 */

#include "providers/reply/decoder.h"

#include "providers/reply/opaque_state.h"
#include "providers/wire/failure.h"
#include "providers/wire/headers.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"

#define EVENT_BYTES_MAX ((size_t)8 << 20) /* of one; Gemini's images are in one */

void provider_decoder_init(struct provider_decoder *decoder, const struct provider_target *target,
                           size_t bytes_max, const struct chat_sink *sink,
                           struct provider_failure_info *failure)
{
    *decoder = (struct provider_decoder){.target = target, .failure = failure};
    buf_init(&decoder->body, bytes_max);
    buf_init(&decoder->scratch, bytes_max);
    reply_builder_init(&decoder->reply, sink, bytes_max);
    if (target->provider->framing == PROVIDER_SSE)
        sse_init(&decoder->sse, EVENT_BYTES_MAX);
    else
        ndjson_init(&decoder->ndjson, EVENT_BYTES_MAX);
}

void provider_decoder_deinit(struct provider_decoder *decoder)
{
    if (decoder->target->provider->framing == PROVIDER_SSE)
        sse_deinit(&decoder->sse);
    else
        ndjson_deinit(&decoder->ndjson);
    reply_builder_deinit(&decoder->reply);
    buf_deinit(&decoder->scratch);
    buf_deinit(&decoder->body);
}

size_t provider_decoder_held(const struct provider_decoder *decoder)
{
    return decoder->body.len + decoder->reply.bytes + decoder->reply.state.len +
           decoder->scratch.len;
}

bool provider_decoder_has_reply(const struct provider_decoder *decoder)
{
    return decoder->result == DECODE_COMPLETE ||
           (decoder->mode == DECODE_EVENTS && decoder->result == DECODE_MORE &&
            decoder->reply.finished);
}

enum decode_result decode_fail(struct provider_decoder *decoder, enum provider_failure failure,
                               const char *what)
{
    provider_failure_set(decoder->failure, failure, decoder->response, "the reply of %s %s",
                         decoder->target->provider_name, what);
    return DECODE_FAILED;
}

enum decode_result decode_error(struct provider_decoder *decoder, struct text json)
{
    struct provider_response response = {.status = 200};

    if (decoder->response)
        response = *decoder->response;
    response.body = json;
    provider_failure_read(decoder->target, &response, decoder->failure);
    return DECODE_FAILED;
}

bool decode_holds_error(struct provider_decoder *decoder, struct text json)
{
    return provider_failure_is_in(json) && decode_error(decoder, json) == DECODE_FAILED;
}

static enum decode_result malformed(struct provider_decoder *decoder, const struct error *err)
{
    provider_failure_set(decoder->failure, PROVIDER_MALFORMED_REPLY, decoder->response,
                         "the reply of %s is no valid JSON: %s", decoder->target->provider_name,
                         err->text);
    return DECODE_FAILED;
}

/* ---- events ---- */

static enum decode_result read_event(struct provider_decoder *decoder, struct text name,
                                     struct text data)
{
    struct error err;
    struct text json;

    if (text_is(text_trim(data), "[DONE]"))
        return DECODE_COMPLETE;
    if (text_trim(data).len == 0)
        return DECODE_MORE;
    if (json_raw_check(data, JSON_RAW_DEPTH_MAX, &json, &err) < 0)
        return malformed(decoder, &err);
    return decoder->target->provider->read_event(decoder, name, json);
}

/* Takes the next event off the front. Returns 0, SSE_NONE (which is NDJSON_NONE), or -E_LIMIT. */
static int next_event(struct provider_decoder *decoder, struct text *bytes, struct sse_event *out,
                      struct error *err)
{
    if (decoder->target->provider->framing == PROVIDER_SSE)
        return sse_next(&decoder->sse, bytes, out, err);
    out->name = TEXT_NONE;
    return ndjson_next(&decoder->ndjson, bytes, &out->data, err);
}

static void read_events(struct provider_decoder *decoder, struct text bytes)
{
    struct sse_event event;
    struct error err;
    int r = 0;

    while (decoder->result == DECODE_MORE && !decoder->reply.full &&
           (r = next_event(decoder, &bytes, &event, &err)) == 0)
        decoder->result = read_event(decoder, event.name, event.data);
    decoder->refused = r < 0 || decoder->reply.full;
}

/* What stands behind the last end of a line. */
static void read_last_event(struct provider_decoder *decoder)
{
    struct sse_event event = {.name = TEXT_NONE};
    bool any = decoder->target->provider->framing == PROVIDER_SSE
                   ? sse_end(&decoder->sse, &event)
                   : ndjson_end(&decoder->ndjson, &event.data);

    if (any && decoder->result == DECODE_MORE)
        decoder->result = read_event(decoder, event.name, event.data);
}

/* ---- which of both ---- */

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

/* Whether the body is the beginning of a byte order mark, so far. */
static bool is_mark_begun(struct text bytes)
{
    return bytes.len < strlen(BYTE_ORDER_MARK) &&
           memcmp(bytes.ptr, BYTE_ORDER_MARK, bytes.len) == 0;
}

static struct text without_mark(struct text bytes)
{
    if (text_starts(bytes, BYTE_ORDER_MARK))
        return text_trim((struct text){bytes.ptr + 3, bytes.len - 3});
    return text_trim(bytes);
}

static enum decode_mode mode_of_sse(struct text begin)
{
    static const char *const fields[] = {"data:", "event:", "id:", "retry:", ":"};

    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
        size_t len = strlen(fields[i]);
        size_t shared = begin.len < len ? begin.len : len;

        if (memcmp(begin.ptr, fields[i], shared) == 0)
            return shared == len ? DECODE_EVENTS : DECODE_UNKNOWN;
    }
    return DECODE_WHOLE;
}

/* A first line that is an object, and no error. */
static enum decode_mode mode_of_lines(struct text begin)
{
    struct text line;
    struct text rest;
    struct text json;

    if (begin.ptr[0] != '{')
        return DECODE_WHOLE;
    if (!text_cut(begin, '\n', &line, &rest))
        return DECODE_UNKNOWN;
    if (json_raw_check(line, JSON_RAW_DEPTH_MAX, &json, NULL) < 0)
        return DECODE_WHOLE;
    return json_raw_get(json, "error").ptr ? DECODE_WHOLE : DECODE_EVENTS;
}

static enum decode_mode mode_of(const struct provider_decoder *decoder)
{
    struct text body = buf_text(&decoder->body);
    struct text begin = without_mark(body);

    if (begin.len == 0 || is_mark_begun(body))
        return DECODE_UNKNOWN;
    if (decoder->target->provider->framing == PROVIDER_SSE)
        return mode_of_sse(begin);
    begin.len = body.len - (size_t)(begin.ptr - body.ptr); /* with its last line break */
    return mode_of_lines(begin);
}

enum http_take provider_decoder_feed(struct provider_decoder *decoder, struct text bytes)
{
    if (decoder->mode == DECODE_EVENTS) {
        read_events(decoder, bytes);
    } else {
        buf_add_text(&decoder->body, bytes);
        decoder->refused = decoder->body.failed;
        if (decoder->mode == DECODE_UNKNOWN)
            decoder->mode = mode_of(decoder);
        if (decoder->mode == DECODE_EVENTS) {
            read_events(decoder, buf_text(&decoder->body));
            buf_deinit(&decoder->body);
        }
    }
    if (decoder->refused)
        return HTTP_TAKE_REFUSE;
    return decoder->result == DECODE_MORE ? HTTP_TAKE_MORE : HTTP_TAKE_ENOUGH;
}

/* ---- the end ---- */

static enum decode_result read_whole(struct provider_decoder *decoder)
{
    struct text body = buf_text(&decoder->body);
    struct error err;
    struct text json;

    if (json_raw_check(body, JSON_RAW_DEPTH_MAX, &json, &err) < 0)
        return malformed(decoder, &err);
    if (decode_holds_error(decoder, json))
        return DECODE_FAILED;
    return decoder->target->provider->read_whole(decoder, json);
}

/* A failure that was found while it arrived: its status and headers are known now. */
static int failed_within(struct provider_decoder *decoder)
{
    struct provider_failure_info *failure = decoder->failure;

    failure->status = decoder->response->status;
    if (failure->retry_after_ms < 0)
        failure->retry_after_ms = provider_retry_after_ms(decoder->response);
    provider_limits_read(decoder->response, &failure->limits);
    return PROVIDER_FAILED;
}

static int fail(struct provider_decoder *decoder, enum provider_failure failure, const char *what)
{
    (void)decode_fail(decoder, failure, what);
    return PROVIDER_FAILED;
}

static int take(struct provider_decoder *decoder, struct chat_reply *out)
{
    struct chat_reply reply = {.arena = out->arena};

    if (decoder->target->provider->close)
        decoder->target->provider->close(decoder);
    if (reply_builder_take(&decoder->reply, &reply, NULL) < 0 ||
        !opaque_state_make(decoder->target, buf_text(&decoder->reply.state), reply.arena,
                           &reply.opaque_state))
        return fail(decoder, PROVIDER_REPLY_TOO_LARGE, "is too large for the run's memory");
    provider_limits_read(decoder->response, &reply.limits);
    *out = reply;
    return 0;
}

static int finish_events(struct provider_decoder *decoder, struct chat_reply *out)
{
    read_last_event(decoder);
    if (decoder->result == DECODE_FAILED)
        return failed_within(decoder);
    if (!provider_decoder_has_reply(decoder))
        return fail(decoder, PROVIDER_STREAM_CUT, "broke off in its midst");
    return take(decoder, out);
}

int provider_decoder_finish(struct provider_decoder *decoder,
                            const struct provider_response *response, struct chat_reply *out)
{
    struct provider_response whole = *response;

    ASSERT(out->arena);
    whole.body = buf_text(&decoder->body);
    decoder->response = &whole;
    if (decoder->refused)
        return fail(decoder, PROVIDER_REPLY_TOO_LARGE, "is too large for the run's memory");
    if (decoder->mode == DECODE_EVENTS)
        return finish_events(decoder, out);
    if (response->status < 200 || response->status > 299) {
        provider_failure_read(decoder->target, &whole, decoder->failure);
        return PROVIDER_FAILED;
    }
    return read_whole(decoder) == DECODE_FAILED ? PROVIDER_FAILED : take(decoder, out);
}
