/* The reply parser: hiredis's reader behind limits of ours.
 *
 * hiredis waits for as many bytes as a peer announces and allocates an array of any announced
 * length at once. So bytes are counted per reply, array elements are counted before they are
 * allocated (a createArray of ours asks first), and a line without an end is given up early, since
 * the reader would scan it anew with each piece.
 *
 * hiredis 0.14 and 1.x differ in the type of the element count, and in nesting, which the former
 * limits to 7 and the latter not at all: so the limit is ours.
 */

#include "shared/base/error.h"
#include "shared/redis/redis_internal.h"

#define LINE_MAX_BYTES ((size_t)64 << 10)
#define DEPTH_MAX      7 /* arrays in arrays; what is asked for here has 5 at most */

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

static int depth_of(const redisReadTask *task)
{
    int depth = 1;

    while ((task = task->parent))
        depth++;
    return depth;
}

static void *create_array(const redisReadTask *task, element_count elements)
{
    struct redis_parser *parser = task->privdata;
    size_t count = (size_t)elements; /* a negative one is too large */

    if (count > REDIS_REPLY_MAX_ELEMENTS - parser->elements || depth_of(task) > DEPTH_MAX)
        return NULL; /* the reader fails with its out-of-memory error */
    parser->elements += count;
    return parser->original.createArray(task, elements);
}

void redis_parser_init(struct redis_parser *parser)
{
    *parser = (struct redis_parser){.reader = redisReaderCreate()};
    ASSERT(parser->reader);
    parser->original = *parser->reader->fn;
    parser->functions = parser->original;
    parser->functions.createArray = create_array;
    parser->reader->fn = &parser->functions;
    parser->reader->privdata = parser;
    parser->reader->maxbuf = 0;
}

void redis_parser_deinit(struct redis_parser *parser)
{
    if (parser->reader)
        redisReaderFree(parser->reader);
    parser->reader = NULL;
}

static bool line_is_endless(const redisReader *reader)
{
    size_t pending = reader->len - reader->pos;

    return pending > LINE_MAX_BYTES && !memchr(reader->buf + reader->pos, '\n', LINE_MAX_BYTES);
}

int redis_parser_feed(struct redis_parser *parser, const char *bytes, size_t len, struct error *err)
{
    if (len > REDIS_REPLY_MAX_BYTES - parser->bytes)
        return error_set(err, E_LIMIT, "a reply of Redis is larger than %zu MiB",
                         REDIS_REPLY_MAX_BYTES >> 20);
    parser->bytes += len;
    if (redisReaderFeed(parser->reader, bytes, len) != REDIS_OK)
        return error_set(err, E_LIMIT, "no memory for a reply of Redis");
    return 0;
}

int redis_parser_next(struct redis_parser *parser, redisReply **out, struct error *err)
{
    redisReader *reader = parser->reader;
    void *reply = NULL;

    if (redisReaderGetReply(reader, &reply) != REDIS_OK)
        return error_set(err, E_PROTOCOL, "what Redis sent is no reply: %s", reader->errstr);
    if (reply) {
        parser->bytes = reader->len - reader->pos;
        parser->elements = 0;
        *out = reply;
        return 0;
    }
    if (line_is_endless(reader))
        return error_set(err, E_PROTOCOL, "what Redis sent is no reply: a line without an end");
    return REDIS_PARSER_MORE;
}
