/* Commands out, replies in: the two directions of RESP2 as values.
 *
 * A command is written straight into the output buffer; hiredis's formatter would want parallel
 * arrays and an allocation for each.
 */

#include "shared/base/error.h"
#include "shared/redis/redis_internal.h"

#define HEADER_MAX_BYTES 24 /* '$' or '*', 20 digits, CR, LF */

size_t redis_command_bytes(const struct text *argv, size_t argc)
{
    size_t bytes = HEADER_MAX_BYTES;

    for (size_t i = 0; i < argc; i++) {
        if (argv[i].len > REDIS_OUTPUT_MAX_BYTES)
            return SIZE_MAX;
        bytes += HEADER_MAX_BYTES + argv[i].len + 2;
        if (bytes > REDIS_OUTPUT_MAX_BYTES)
            return SIZE_MAX;
    }
    return bytes;
}

void redis_command_add(struct buf *out, const struct text *argv, size_t argc)
{
    buf_printf(out, "*%zu\r\n", argc);
    for (size_t i = 0; i < argc; i++) {
        buf_printf(out, "$%zu\r\n", argv[i].len);
        buf_add_text(out, argv[i]);
        buf_add(out, "\r\n", 2);
    }
}

void redis_reply_free(redisReply *reply)
{
    if (reply)
        freeReplyObject(reply);
}

void redis_reply_freep(redisReply **reply)
{
    redis_reply_free(*reply);
    *reply = NULL;
}

struct text redis_reply_text(const redisReply *reply)
{
    if (!reply || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS))
        return TEXT_NONE;
    return (struct text){reply->str, (size_t)reply->len};
}

int redis_reply_check(redisReply **reply, struct error *err)
{
    int r;

    if ((*reply)->type != REDIS_REPLY_ERROR)
        return 0;
    r = error_set(err, E_REJECTED, "%.*s", (int)((*reply)->len > 200 ? 200 : (*reply)->len),
                  (*reply)->str);
    redis_reply_freep(reply);
    return r;
}
