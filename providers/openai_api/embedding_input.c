#include "providers/openai_api/embedding_input.h"

#include "shared/base/error.h"

int embedding_input_read(struct json_object *body, struct arena *arena, struct embedding_input *out,
                         struct error *err)
{
    struct json_object *input = json_get(body, "input");
    bool many = json_object_is_type(input, json_type_array);
    size_t count = many ? json_object_array_length(input) : 1;
    struct text *texts = arena_calloc(arena, count, sizeof(*texts));
    struct chat_message *messages = arena_calloc(arena, count, sizeof(*messages));

    if (!texts || !messages)
        return error_set(err, E_LIMIT, "there are too many texts");
    for (size_t i = 0; i < count; i++) {
        texts[i] = json_string(many ? json_object_array_get_idx(input, i) : input);
        messages[i] = (struct chat_message){.role = CHAT_USER, .text = texts[i]};
    }
    *out = (struct embedding_input){
        .request = {.texts = texts,
                    .count = count,
                    .dimensions = json_get_int(body, "dimensions", 0)},
        .weighed = {.messages = messages, .messages_count = count},
    };
    return 0;
}
