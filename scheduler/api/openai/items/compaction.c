/* Summaries as items, and back. */

#include "scheduler/api/openai/items/compaction.h"

#include "shared/json/json_write.h"
#include "shared/text/base64.h"

#define PREFIX  "psc1_"
#define LEAD_IN "What was said in this conversation before, in short:\n\n"

void compaction_write(struct uuid id, struct text summary, struct buf *out)
{
    char hex[2 * sizeof(id.bytes) + sizeof("cmp_")] = "cmp_";
    struct json_write w;
    char *end;

    *text_put_hex(hex + strlen("cmp_"), id.bytes, sizeof(id.bytes)) = '\0';
    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "id", hex);
    json_write_string(&w, "type", "compaction");
    json_write_close(&w);
    if (out->failed)
        return;
    out->len--; /* the brace: the content is long, and is written where it goes */
    buf_add_string(out, ",\"encrypted_content\":\"" PREFIX);
    end = buf_reserve(out, BASE64_BYTES(summary.len));
    if (end)
        out->len += (size_t)(base64_put(end, (const uint8_t *)summary.ptr, summary.len) - end);
    buf_add_string(out, "\"}");
}

struct text compaction_read(struct text content, struct arena *arena)
{
    CLEANUP(buf_deinit) struct buf said;
    char *copy;

    buf_init(&said, 0);
    if (!text_starts(content, PREFIX))
        return TEXT_NONE;
    content.ptr += strlen(PREFIX);
    content.len -= strlen(PREFIX);
    buf_add_string(&said, LEAD_IN);
    if (!base64_read(content, &said) || said.failed || !text_is_utf8(buf_text(&said)) ||
        memchr(said.ptr, '\0', said.len))
        return TEXT_NONE;
    copy = arena_copy(arena, buf_text(&said));
    return copy ? (struct text){copy, said.len} : TEXT_NONE;
}
