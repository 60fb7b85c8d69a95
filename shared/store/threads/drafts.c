/* Drafts of messages as one jsonb parameter */

#include "shared/store/threads/drafts.h"

#include <inttypes.h>

#include "shared/base/error.h"

static const char *const role_names[] = {
    [MESSAGE_USER] = "user",
    [MESSAGE_ASSISTANT] = "assistant",
    [MESSAGE_TOOL] = "tool",
    [MESSAGE_SYSTEM] = "system",
};

const char *message_role_name(enum message_role role)
{
    ASSERT((unsigned)role < ARRAY_LENGTH(role_names));
    return role_names[role];
}

static void add_json_field(struct buf *buf, const char *name, struct text value)
{
    if (!value.ptr)
        return;
    buf_printf(buf, ",\"%s\":", name);
    buf_add_text(buf, value);
}

static void add_text_field(struct buf *buf, const char *name, struct text value)
{
    if (!value.ptr)
        return;
    buf_printf(buf, ",\"%s\":", name);
    buf_add_json(buf, value);
}

/* What a draft has beside what is said, as members that follow others. */
static void add_calls(struct buf *buf, const struct message_draft *draft)
{
    add_json_field(buf, "tool_calls", draft->tool_calls);
    add_text_field(buf, "tool_call_id", draft->tool_call_id);
    add_text_field(buf, "tool_name", draft->tool_name);
}

void draft_calls_encode(struct buf *buf, const struct message_draft *draft)
{
    buf_printf(buf, "{\"hidden\":%s", draft->hidden ? "true" : "false");
    add_calls(buf, draft);
    buf_add_char(buf, '}');
}

int drafts_encode(struct buf *buf, const struct message_draft *drafts, size_t count,
                  struct error *err)
{
    char id[UUID_TEXT_SIZE];

    if (count > MESSAGE_DRAFTS_MAX)
        return error_set(err, E_LIMIT, "%zu messages at once, where %d are allowed", count,
                         MESSAGE_DRAFTS_MAX);
    buf_add_char(buf, '[');
    for (size_t i = 0; i < count; i++) {
        uuid_format(drafts[i].id, id);
        buf_printf(buf, "%s{\"id\":\"%s\",\"role\":\"%s\"", i ? "," : "", id,
                   message_role_name(drafts[i].role));
        add_json_field(buf, "content", drafts[i].content);
        add_json_field(buf, "attachments", drafts[i].attachments);
        add_json_field(buf, "metadata", drafts[i].metadata);
        buf_printf(buf, ",\"bytes\":%" PRId64 ",\"tokens\":%" PRId64, draft_bytes(&drafts[i]),
                   drafts[i].tokens);
        if (drafts[i].hidden)
            add_json_field(buf, "hidden", TEXT("true"));
        add_calls(buf, &drafts[i]);
        buf_add_char(buf, '}');
    }
    buf_add_char(buf, ']');
    return buf_check(buf, err);
}

int64_t draft_bytes(const struct message_draft *draft)
{
    return (int64_t)(draft->content.len + draft->attachments.len + draft->tool_calls.len +
                     draft->tool_call_id.len);
}

struct message_counts drafts_counts(const struct message_draft *drafts, size_t count)
{
    struct message_counts counts = {.messages = (int64_t)count};

    for (size_t i = 0; i < count; i++) {
        counts.bytes += draft_bytes(&drafts[i]);
        counts.tokens += drafts[i].tokens;
    }
    return counts;
}

struct pg_value drafts_value(const struct buf *buf, size_t count)
{
    return count ? pg_json(buf_text(buf)) : pg_null();
}
