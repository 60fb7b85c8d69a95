#include "shared/trace/trace_context.h"

#include "shared/base/id.h"

#define HEADER_LEN 55
#define VERSION_AT 0
#define TRACE_AT   3
#define SPAN_AT    36
#define FLAGS_AT   53
#define KNOWN      (TRACE_SAMPLED | TRACE_RANDOM)

/* Upper case is invalid here. */
static bool read_hex(struct text header, size_t at, uint8_t *out, size_t bytes)
{
    for (size_t i = 0; i < 2 * bytes; i++) {
        char c = header.ptr[at + i];
        int digit = c >= 'A' && c <= 'F' ? -1 : text_hex_digit(c);

        if (digit < 0)
            return false;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | digit : digit << 4);
    }
    return true;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    uint8_t all = 0;

    for (size_t i = 0; i < len; i++)
        all |= bytes[i];
    return all == 0;
}

static bool has_dashes(struct text header)
{
    return header.ptr[TRACE_AT - 1] == '-' && header.ptr[SPAN_AT - 1] == '-' &&
           header.ptr[FLAGS_AT - 1] == '-';
}

bool traceparent_parse(struct text header, struct trace_context *out)
{
    struct trace_context context = {.flags = 0};
    uint8_t version;

    if (header.len < HEADER_LEN || !has_dashes(header) ||
        !read_hex(header, VERSION_AT, &version, 1) ||
        !read_hex(header, TRACE_AT, context.trace_id, TRACE_ID_BYTES) ||
        !read_hex(header, SPAN_AT, context.span_id, SPAN_ID_BYTES) ||
        !read_hex(header, FLAGS_AT, &context.flags, 1))
        return false;
    if (version == 0xff ||
        (header.len > HEADER_LEN && (version == 0 || header.ptr[HEADER_LEN] != '-')))
        return false;
    if (is_zero(context.trace_id, TRACE_ID_BYTES) || is_zero(context.span_id, SPAN_ID_BYTES))
        return false;
    context.flags &= KNOWN;
    *out = context;
    return true;
}

void traceparent_format(const struct trace_context *context, char out[TRACEPARENT_SIZE])
{
    char *at = out;

    *at++ = '0';
    *at++ = '0';
    *at++ = '-';
    at = text_put_hex(at, context->trace_id, TRACE_ID_BYTES);
    *at++ = '-';
    at = text_put_hex(at, context->span_id, SPAN_ID_BYTES);
    *at++ = '-';
    at = text_put_hex(at, &context->flags, 1);
    *at = '\0';
}

void trace_headers_of(const struct trace_context *context, struct trace_headers *out)
{
    traceparent_format(context, out->parent);
    out->state = context->state;
}

static void fill_id(uint8_t *id, size_t len)
{
    do
        random_bytes(id, len);
    while (is_zero(id, len));
}

struct trace_context trace_context_new(void)
{
    struct trace_context context = {.flags = TRACE_RANDOM};

    fill_id(context.trace_id, TRACE_ID_BYTES);
    fill_id(context.span_id, SPAN_ID_BYTES);
    return context;
}

struct trace_context trace_context_child(const struct trace_context *parent)
{
    struct trace_context context = *parent;

    fill_id(context.span_id, SPAN_ID_BYTES);
    return context;
}
