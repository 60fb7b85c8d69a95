/* Anthropic's Messages: a conversation as turns of blocks.
 * https://platform.claude.com/docs/en/api/messages
 *
 * The API wants turns of user and assistant that alternate and have words, the first and the last
 * the user's; a conversation may have neither. So messages of one side that follow each other
 * become one turn, in a turn of the user the results of tools stand first, texts of blanks are left
 * out, and where the user's turn is missing a word stands for it. (An assistant's turn at the end
 * would be continued in its midst by some models, and is refused by newer ones.)
 *
 * Thinking goes back where it stood in the reply (reply_parts.h), verbatim: its signatures are
 * checked. */

#include "providers/formats/anthropic.h"
#include "providers/reply/opaque_state.h"
#include "providers/reply/reply_parts.h"
#include "providers/wire/data_url.h"
#include "shared/base/error.h"
#include "shared/json/json_write.h"

#define BEGINS    TEXT("(start of the conversation)")
#define GOES_ON   TEXT("Continue.")
#define SHOWN_MAX 60 /* bytes of what can't be said, in the error */

/* The messages as they are written: which turn is open, and what could not be said. */
struct turns {
    struct json_write *write;
    const char *role; /* NULL: no turn has begun */
    int r;            /* of the first that could not be said */
    struct error *err;
};

static bool is_blank(struct text text)
{
    return text_trim(text).len == 0;
}

static void write_text(struct json_write *write, struct text text)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "type", "text");
    json_write_text(write, "text", text);
    json_write_close(write);
}

/* Makes the turn of that role the open one: blocks go into it. */
static void open_turn(struct turns *turns, const char *role)
{
    if (turns->role && strcmp(turns->role, role) == 0)
        return;
    if (!turns->role && strcmp(role, "assistant") == 0) {
        open_turn(turns, "user");
        write_text(turns->write, BEGINS);
    }
    if (turns->role) {
        json_write_close(turns->write);
        json_write_close(turns->write);
    }
    turns->role = role;
    json_write_open_object(turns->write, NULL);
    json_write_string(turns->write, "role", role);
    json_write_open_array(turns->write, "content");
}

static void end_turns(struct turns *turns)
{
    if (!turns->role || strcmp(turns->role, "assistant") == 0) {
        struct text words = turns->role ? GOES_ON : BEGINS;

        open_turn(turns, "user");
        write_text(turns->write, words);
    }
    json_write_close(turns->write);
    json_write_close(turns->write);
}

static void add_text(struct turns *turns, const char *role, struct text text)
{
    if (is_blank(text))
        return;
    open_turn(turns, role);
    write_text(turns->write, text);
}

static void cannot_say(struct turns *turns, const char *rule, struct text what)
{
    if (turns->r == 0)
        turns->r = error_set(turns->err, E_INVALID, "%s; one is '%.*s'", rule,
                             TEXT_ARGS(text_prefix(what, SHOWN_MAX)));
}

/* The type as the API spells it, or NULL. */
static const char *image_type(struct text type)
{
    static const char *const types[] = {"image/jpeg", "image/png", "image/gif", "image/webp"};

    for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
        if (text_is_nocase(type, types[i]))
            return types[i];
    return text_is_nocase(type, "image/jpg") ? "image/jpeg" : NULL;
}

static bool is_web_address(struct text url)
{
    return text_starts(url, "https://") || text_starts(url, "http://");
}

static void write_source(struct json_write *write, struct text url, const char *type,
                         struct text base64)
{
    json_write_open_object(write, "source");
    if (type) {
        json_write_string(write, "type", "base64");
        json_write_string(write, "media_type", type);
        json_write_text(write, "data", base64);
    } else {
        json_write_string(write, "type", "url");
        json_write_text(write, "url", url);
    }
    json_write_close(write);
}

static void add_image(struct turns *turns, struct text url)
{
    const char *type = NULL;
    struct text data_type = TEXT_NONE;
    struct text base64 = TEXT_NONE;

    if (data_url_split(url, &data_type, &base64)) {
        type = image_type(data_type);
        if (!type) {
            cannot_say(turns,
                       "Anthropic takes images of image/jpeg, image/png, image/gif and image/webp",
                       data_type);
            return;
        }
    } else if (!is_web_address(url)) {
        cannot_say(turns, "Anthropic takes images as http(s) urls or as data:TYPE;base64,DATA",
                   url);
        return;
    }
    open_turn(turns, "user");
    json_write_open_object(turns->write, NULL);
    json_write_string(turns->write, "type", "image");
    write_source(turns->write, url, type, base64);
    json_write_close(turns->write);
}

static void add_user(struct turns *turns, const struct chat_message *message)
{
    if (message->parts_count == 0)
        add_text(turns, "user", message->text);
    for (size_t i = 0; i < message->parts_count; i++)
        switch (message->parts[i].kind) {
        case CHAT_PART_TEXT:
            add_text(turns, "user", message->parts[i].text);
            break;
        case CHAT_PART_IMAGE_URL:
            add_image(turns, message->parts[i].url);
            break;
        }
}

static void add_result(struct turns *turns, const struct chat_message *message)
{
    open_turn(turns, "user");
    json_write_open_object(turns->write, NULL);
    json_write_string(turns->write, "type", "tool_result");
    json_write_text(turns->write, "tool_use_id", message->tool_call_id);
    if (message->text.len)
        json_write_text(turns->write, "content", message->text);
    json_write_close(turns->write);
}

static void add_call(struct turns *turns, const struct chat_tool_call *call)
{
    open_turn(turns, "assistant");
    json_write_open_object(turns->write, NULL);
    json_write_string(turns->write, "type", "tool_use");
    json_write_text(turns->write, "id", call->id);
    json_write_text(turns->write, "name", call->name);
    json_write_raw(turns->write, "input", call->arguments.len ? call->arguments : TEXT("{}"));
    json_write_close(turns->write);
}

static void add_assistant(struct turns *turns, const struct provider_target *target,
                          const struct chat_message *message)
{
    struct reply_parts_walk walk;
    enum reply_part part;

    reply_parts_walk(message, opaque_state_for(target, message->opaque_state), &walk);
    while ((part = reply_parts_next(&walk)) != REPLY_PART_NONE)
        switch (part) {
        case REPLY_PART_NONE:
            break;
        case REPLY_PART_ITEM:
            open_turn(turns, "assistant");
            json_write_raw(turns->write, NULL, walk.item);
            break;
        case REPLY_PART_TEXT:
            add_text(turns, "assistant", walk.text);
            break;
        case REPLY_PART_CALL:
            add_call(turns, walk.call);
            break;
        }
}

/* What stands between two messages of the assistant: results first. Returns where it ends. */
static size_t add_user_side(struct turns *turns, const struct chat_request *request, size_t begin)
{
    size_t end = begin;

    for (; end < request->messages_count && request->messages[end].role != CHAT_ASSISTANT; end++)
        if (request->messages[end].role == CHAT_TOOL)
            add_result(turns, &request->messages[end]);
    for (size_t i = begin; i < end; i++)
        if (request->messages[i].role == CHAT_USER)
            add_user(turns, &request->messages[i]);
    return end;
}

int anthropic_write_messages(struct json_write *write, const struct provider_target *target,
                             const struct chat_request *request, struct error *err)
{
    struct turns turns = {.write = write, .err = err};
    size_t i = 0;

    json_write_open_array(write, "messages");
    while (i < request->messages_count)
        if (request->messages[i].role == CHAT_ASSISTANT)
            add_assistant(&turns, target, &request->messages[i++]);
        else
            i = add_user_side(&turns, request, i);
    end_turns(&turns);
    json_write_close(write);
    return turns.r;
}
