/* Messages of the Model Context Protocol, with headers in front (three lines): what is read has an
 * answer that is JSON, and so has what is refused. */

#include "scheduler/api/mcp/mcp_message.h"
#include "shared/base/arena.h"
#include "shared/base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct text next_line(struct text *rest)
{
    struct text line = TEXT_NONE;

    if (!text_cut(*rest, '\n', &line, rest) || line.len == 0)
        return TEXT_NONE;
    return line;
}

static void check_answer(const struct mcp_message *message, const struct mcp_failure *failure)
{
    CLEANUP(json_freep) struct json_object *answer = NULL;
    CLEANUP(buf_deinit) struct buf out;
    struct json_write w;
    struct error err;

    buf_init(&out, 0);
    if (failure) {
        mcp_error_write(message, failure, &out);
    } else {
        mcp_result_open(message, &w, &out);
        mcp_result_close(message, &w);
    }
    ASSERT(json_decode(buf_text(&out), JSON_DEPTH_DEFAULT, &answer, &err) == 0);
    ASSERT(text_is(json_get_text(answer, "jsonrpc"), "2.0"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(json_freep) struct json_object *body = NULL;
    struct text rest = {(const char *)data, size};
    struct mcp_heads heads;
    struct mcp_message message;
    struct mcp_failure failure;
    struct arena arena;
    struct error err;
    int r;

    heads.version = next_line(&rest);
    heads.method = next_line(&rest);
    heads.name = next_line(&rest);
    if (json_decode(rest, 32, &body, &err) < 0)
        return 0;
    arena_init(&arena, 0);
    r = mcp_message_read(body, &heads, &arena, &message, &failure);
    ASSERT(r == 0 || r == -E_INVALID);
    check_answer(&message, r == 0 ? NULL : &failure);
    arena_deinit(&arena);
    return 0;
}
