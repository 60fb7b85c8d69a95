#include "scheduler/api/openai/items/item_ids.h"

#include <stdio.h>

static const struct {
    const char *prefix;
    bool has_place;
} kinds[] = {
    [ITEM_MESSAGE] = {"msg_", false},    [ITEM_FUNCTION_CALL] = {"fc_", true},
    [ITEM_SERVER_CALL] = {"mcp_", true}, [ITEM_OUTPUT] = {"fco_", false},
    [ITEM_THOUGHT] = {"rs_", false},
};

void item_id_format(struct item_id id, char out[ITEM_ID_SIZE])
{
    char hex[2 * sizeof(id.message.bytes) + 1];

    ASSERT(id.place < ITEM_CALLS_MAX);
    *text_put_hex(hex, id.message.bytes, sizeof(id.message.bytes)) = '\0';
    if (kinds[id.kind].has_place)
        (void)snprintf(out, ITEM_ID_SIZE, "%s%s%02zx", kinds[id.kind].prefix, hex, id.place);
    else
        (void)snprintf(out, ITEM_ID_SIZE, "%s%s", kinds[id.kind].prefix, hex);
}

struct item_id item_thought_id(struct uuid of)
{
    of.bytes[15] &= 0xfc; /* shared/events/frame.h derives the others */
    return (struct item_id){ITEM_THOUGHT, of, 0};
}

static bool read_hex(struct text *rest, uint8_t *out, size_t bytes)
{
    if (rest->len < 2 * bytes)
        return false;
    for (size_t i = 0; i < 2 * bytes; i++) {
        char c = rest->ptr[i];
        int value = c >= 'A' && c <= 'F' ? -1 : text_hex_digit(c);

        if (value < 0)
            return false;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | value : value << 4);
    }
    rest->ptr += 2 * bytes;
    rest->len -= 2 * bytes;
    return true;
}

bool item_id_parse(struct text text, struct item_id *out)
{
    for (enum item_kind kind = ITEM_MESSAGE; kind <= ITEM_OUTPUT; kind++) {
        size_t skip = strlen(kinds[kind].prefix);
        struct item_id id = {.kind = kind};
        struct text rest = {text.ptr + skip, text.len - skip};
        uint8_t place = 0;

        if (!text_starts(text, kinds[kind].prefix))
            continue;
        if (!read_hex(&rest, id.message.bytes, sizeof(id.message.bytes)) ||
            (kinds[kind].has_place && !read_hex(&rest, &place, 1)) || rest.len > 0 ||
            uuid_is_zero(id.message))
            return false;
        id.place = place;
        *out = id;
        return true;
    }
    return false;
}
